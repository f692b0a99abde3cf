import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { failure } from '../support/failure.js';
import { authentication, READY } from '../support/server-messages.js';
import { useSandbox } from '../support/use-sandbox.js';

/** What a server answers to the first message of the client, whose nonce it may need, and to the second one. */
interface ScramScript {
  readonly first: (clientNonce: string) => string;
  readonly last?: readonly Buffer[];
}

describe('SCRAM with a server that does not keep to it', function () {
  this.timeout(20_000);
  const use = useSandbox({ skipPostgres: true });
  const open = new Set<Socket>();
  afterEach(() => {
    for (const socket of open) socket.destroy();
    open.clear();
  });

  /** A server with TLS that asks for SCRAM and then follows the script; its port. */
  async function startServer({
    first,
    last = [],
  }: ScramScript): Promise<{ port: number; close(): Promise<void> }> {
    const secureContext = createSecureContext(await use.sandbox.serverCertificates.pem('valid'));
    const server = createServer((socket) => {
      open.add(socket.on('error', () => undefined));
      socket.once('data', () => {
        socket.write('S');
        const stream = new TLSSocket(socket, {
          isServer: true,
          secureContext,
          ALPNProtocols: ['postgresql'],
        });
        const answers = [
          () => authentication(10, Buffer.from('SCRAM-SHA-256\0\0')),
          (sent: string) => authentication(11, Buffer.from(first(/r=([^,]+)$/.exec(sent)?.[1] ?? ''))),
          () => Buffer.concat(last),
        ];
        stream
          .on('error', () => undefined)
          .on('data', (sent: Buffer) => {
            const answer = answers.shift()?.(sent.toString('latin1'));
            if (answer) stream.write(answer);
          });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return {
      port: (server.address() as AddressInfo).port,
      close: () => new Promise((resolve) => server.close(() => resolve())),
    };
  }

  const good = (nonce: string): string => `r=${nonce}more,s=c2FsdHNhbHQ=,i=4096`;
  const wrongProof = authentication(12, Buffer.from(`v=${Buffer.alloc(32).toString('base64')}`));
  const SCRIPTS: readonly (readonly [title: string, script: ScramScript])[] = [
    ['A-09 2^31 iterations', { first: (nonce) => `r=${nonce}more,s=c2FsdHNhbHQ=,i=2147483648` }],
    [
      'A-09 more iterations than a login may cost',
      { first: (nonce) => `r=${nonce}more,s=c2FsdHNhbHQ=,i=100001` },
    ],
    ['A-08 a nonce of its own', { first: () => 'r=foreign,s=c2FsdHNhbHQ=,i=4096' }],
    ['A-08 our nonce alone', { first: (nonce) => `r=${nonce},s=c2FsdHNhbHQ=,i=4096` }],
    ['A-08 nothing that can be read', { first: () => 'nonsense' }],
    ['A-08 a proof that is wrong', { first: good, last: [wrongProof, authentication(0), READY] }],
    ['A-08 no proof', { first: good, last: [authentication(0), READY] }],
  ];
  for (const [title, script] of SCRIPTS) {
    it(`${title}: the login ends with PROTOCOL_VIOLATION`, async () => {
      const server = await startServer(script);
      const changes = { ...use.properties({}, 'password'), Port: String(server.port), Timeout: '10' };
      const start = performance.now();
      await failure(
        use.connect(changes).execute('select', { sql: 'select 1' }),
        'POSTGRESQL:PROTOCOL_VIOLATION',
        'PROTOCOL_VIOLATION',
      );
      expect(performance.now() - start).to.be.below(5_000);
      for (const socket of open) socket.destroy();
      await server.close();
    });
  }
});
