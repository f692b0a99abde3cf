import { once } from 'node:events';
import net from 'node:net';
import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { enterBackend } from '#sandbox/gate/backend.js';
import { useFolder } from '../support/folder.js';
import { rejection } from './clients.js';

describe('sandbox gate, before PostgreSQL', () => {
  const folder = useFolder();

  it('opens no session for a client that left while its token was judged', async () => {
    const path = folder.path('server');
    const server = net.createServer().listen(path);
    const connected = once(server, 'connection') as Promise<[net.Socket]>;
    const client = new PassThrough().destroy();
    await once(client, 'close');
    const entering = enterBackend(
      path,
      { code: 0x30000, bytes: Buffer.from('startup') },
      { stream: client, onPassword: () => undefined },
    );
    expect(await rejection(entering)).to.have.property('message', 'the client has left');
    const [socket] = await connected;
    const received: Buffer[] = [];
    socket.on('data', (bytes) => received.push(bytes));
    await once(socket, 'close');
    expect(received).to.deep.equal([]);
    await new Promise((resolve) => server.close(resolve));
  });
});
