import net from 'node:net';
import tls from 'node:tls';
import { once } from 'node:events';
import { expect } from 'chai';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { logIn, rejection } from './clients.js';

/** A packet before the login: length, code, rest. */
const packet = (code: number, rest: string | Buffer = ''): Buffer => {
  const head = Buffer.alloc(8);
  const tail = Buffer.from(rest);
  head.writeInt32BE(8 + tail.length, 0);
  head.writeInt32BE(code, 4);
  return Buffer.concat([head, tail]);
};

const protocol3 = 0x30000;
const sslRequest = packet(80_877_103);
const gssRequest = packet(80_877_104);

describe('sandbox gate, on the wire', function () {
  this.timeout(20_000);

  let sandbox: Sandbox;

  before(async () => {
    sandbox = await startSandbox();
  });
  after(() => sandbox.close());
  afterEach(() => sandbox.control.reset());

  const startup = (role = sandbox.role): Buffer =>
    packet(protocol3, `user\0${role}\0database\0${sandbox.database}\0\0`);

  const password = (text: string): Buffer => {
    const head = Buffer.from('p\0\0\0\0');
    head.writeInt32BE(Buffer.byteLength(text) + 5, 1);
    return Buffer.concat([head, Buffer.from(`${text}\0`)]);
  };

  const dial = async (): Promise<net.Socket> => {
    const socket = net.connect(sandbox.gate.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };

  const directTls = async (protocols: string[] | undefined): Promise<tls.TLSSocket> => {
    const socket = tls.connect({
      port: sandbox.gate.port,
      host: 'localhost',
      ca: sandbox.authority.ca,
      ...(protocols && { ALPNProtocols: protocols }),
    });
    socket.on('error', () => undefined);
    await Promise.race([once(socket, 'secureConnect'), closed(socket)]).catch(() => undefined);
    return socket;
  };

  /** TLS after an SSLRequest that was answered with S. */
  const requestedTls = async (): Promise<tls.TLSSocket> => {
    const socket = await dial();
    socket.write(sslRequest);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).to.equal('S');
    const secured = tls.connect({ socket, servername: 'localhost', ca: sandbox.authority.ca });
    secured.on('error', () => undefined);
    await once(secured, 'secureConnect');
    return secured;
  };

  /** Everything that comes until the other side closes. */
  const rest = async (socket: net.Socket): Promise<string> => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    await closed(socket);
    return Buffer.concat(chunks).toString('latin1');
  };

  const next = async (socket: net.Socket): Promise<string> => {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    return chunk.toString('latin1');
  };

  it('takes direct TLS with ALPN postgresql', async () => {
    const socket = await directTls(['postgresql']);
    expect(socket.alpnProtocol).to.equal('postgresql');
    socket.write(startup());
    expect(await next(socket)).to.equal('R\0\0\0\x08\0\0\0\x03');
    socket.write(password(await sandbox.control.issueToken()));
    expect(await next(socket)).to.match(/^R\0\0\0\x08\0\0\0\0/);
    socket.destroy();
  });

  it('refuses direct TLS without ALPN, or with another protocol', async () => {
    for (const protocols of [undefined, ['http/1.1']]) {
      const socket = await directTls(protocols);
      socket.write(startup());
      expect(await rest(socket)).to.equal('');
    }
  });

  it('declines GSS encryption, then goes on', async () => {
    const socket = await dial();
    socket.write(gssRequest);
    expect(await next(socket)).to.equal('N');
    socket.write(sslRequest);
    expect(await next(socket)).to.equal('S');
    socket.destroy();
  });

  it('takes a startup packet in pieces of one byte', async () => {
    const socket = await requestedTls();
    socket.setNoDelay(true);
    for (const byte of startup()) socket.write(Buffer.of(byte));
    expect(await next(socket)).to.equal('R\0\0\0\x08\0\0\0\x03');
    socket.destroy();
  });

  it('takes nothing that came in the clear with the request for TLS', async () => {
    const socket = await dial();
    socket.write(Buffer.concat([sslRequest, startup()]));
    expect(await rest(socket)).not.to.match(/^S/);
  });

  it('hands on a request to cancel, over TLS', async () => {
    const client = await logIn(sandbox, await sandbox.control.issueToken());
    const slow = rejection(client.query('select pg_sleep(30)'));
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
    const key = Buffer.alloc(8);
    key.writeInt32BE(processID, 0);
    key.writeInt32BE(secretKey, 4);
    const socket = await requestedTls();
    socket.write(packet(80_877_102, key));
    expect(await slow).to.include({ code: '57014' });
    expect(await rest(socket)).to.equal('');
    expect((await client.query('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    await client.end();
  });

  const inClear: Readonly<Record<string, () => Buffer>> = {
    'a length of zero': () => Buffer.alloc(8),
    'a negative length': () => Buffer.from('ffffffff00030000', 'hex'),
    'a length of 2 GB': () => Buffer.from('7fffffff00030000', 'hex'),
    'an HTTP request': () => Buffer.from('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'),
    'a broken TLS handshake': () =>
      Buffer.concat([Buffer.from('160301ffff', 'hex'), Buffer.alloc(512, 0xff)]),
    'requests without end': () => Buffer.concat(Array.from({ length: 50 }, () => gssRequest)),
    'protocol 2': () => packet(0x20000, 'user\0x\0\0'),
    'no user': () => packet(protocol3, '\0'),
    'no terminator': () => packet(protocol3, 'user'),
    'a name without value': () => packet(protocol3, 'user\0\0'),
    'a cancel request for nobody': () => packet(80_877_102, Buffer.alloc(8, 1)),
    'a short cancel request': () => packet(80_877_102),
  };
  for (const [title, bytes] of Object.entries(inClear)) {
    it(`outlives ${title}`, async () => {
      const socket = await dial();
      socket.write(bytes());
      await rest(socket);
      await (await logIn(sandbox, await sandbox.control.issueToken())).end();
    });
  }

  const insteadOfPassword: Readonly<Record<string, readonly [Buffer, string]>> = {
    'a query': [Buffer.from('Q\0\0\0\x07x;\0'), '08P01'],
    'a negative length': [Buffer.from('70ffffffff', 'hex'), '08P01'],
    'a length of 2 GB': [Buffer.from('707fffffff', 'hex'), '08P01'],
    'no text at all': [Buffer.from('p\0\0\0\x04'), '08P01'],
    'an empty password': [Buffer.from('p\0\0\0\x05\0'), '28P01'],
    'a text without end': [Buffer.from('p\0\0\0\x05x'), '08P01'],
    'a text with a zero byte': [Buffer.from('p\0\0\0\x08a\0b\0'), '08P01'],
  };
  for (const [title, [bytes, sqlState]] of Object.entries(insteadOfPassword)) {
    it(`refuses ${title} as password`, async () => {
      const socket = await requestedTls();
      socket.write(startup());
      await next(socket);
      socket.write(bytes);
      expect(await rest(socket)).to.include(`C${sqlState}\0`);
      expect(sandbox.control.logins()[0]).to.include({ outcome: 'refused', sqlState });
    });
  }

  for (const [kind, code] of Object.entries({ md5: 5, gss: 7, sspi: 9, scram: 10 } as const)) {
    it(`asks for ${kind} when told to`, async () => {
      sandbox.control.setAuthentication(kind as 'md5' | 'gss' | 'sspi' | 'scram');
      const socket = await requestedTls();
      socket.write(startup());
      const request = Buffer.from(await next(socket), 'latin1');
      expect([request[0], request.readInt32BE(1), request.readInt32BE(5)]).to.deep.equal([
        'R'.charCodeAt(0),
        request.length - 1,
        code,
      ]);
      socket.write(password('x'));
      expect(await rest(socket)).to.include('C28P01\0');
    });
  }

  it('notes a client that leaves instead of answering', async () => {
    const socket = await requestedTls();
    socket.write(startup());
    await next(socket);
    socket.destroy();
    await until(() => sandbox.control.logins().length === 1);
    expect(sandbox.control.logins()[0]).to.include({ outcome: 'abandoned', passwordReceived: false });
  });

  it('outlives a thousand packets of random bytes', async () => {
    const random = pseudoRandom(20_261_121);
    for (let round = 0; round < 20; round += 1) {
      await Promise.all(
        Array.from({ length: 50 }, async () => {
          const socket = await dial();
          socket.end(Buffer.from(Array.from({ length: 1 + (random() % 200) }, () => random() % 256)));
          socket.resume();
          await closed(socket);
        }),
      );
    }
    await (await logIn(sandbox, await sandbox.control.issueToken())).end();
  });

  /** Resolves once a condition holds that other events of this process bring about. */
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve));
  };
});

/** Resolves when a socket has closed, with or without an error. */
const closed = (socket: net.Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });

/** Numbers that look random and are the same in every run (xorshift32). */
const pseudoRandom = (seed: number) => (): number => {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return seed >>> 0;
};
