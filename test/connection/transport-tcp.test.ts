import { expect } from 'chai';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { openTcp } from '#src/connection/transport.js';
import { dial, type Lookup } from '#src/connection/transport/tcp.js';
import { systemClock } from '#src/clock.js';
import { failure } from '../support/failure.js';
import { untilTrue } from '../support/use-sandbox.js';
import { endpointOf, gone, waitOf } from '../support/tls-server.js';

const CANNOT_REACH = 'POSTGRESQL:CANNOT_REACH';

// Blocks its event loop once it listens, so that it takes no connection, and fills its queue.
const SILENT_LISTENER = `
const { parentPort, workerData } = require('node:worker_threads');
const server = require('node:net').createServer();
server.listen({ host: '127.0.0.2', port: workerData.port, backlog: 1 }, () => {
  parentPort.postMessage('listening');
  setTimeout(() => {
    const stop = new Int32Array(workerData.stop);
    Atomics.store(stop, 1, 1);
    Atomics.wait(stop, 0, 0);
  }, 5);
});`;

describe('the TCP connection', function () {
  this.timeout(20_000);
  const servers: Server[] = [];

  async function listen(host: string, port = 0): Promise<number> {
    const server = createServer((socket) => socket.on('error', () => undefined).resume());
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(port, host, () => resolve()));
    return (server.address() as AddressInfo).port;
  }
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  });

  const namesOf =
    (...addresses: string[]): Lookup =>
    () =>
      Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
  const dialling = (port: number, lookup: Lookup, signal = new AbortController().signal): Promise<Socket> =>
    dial({ host: 'db.example', port }, { clock: systemClock, signal, lookup });
  async function reached(socket: Promise<Socket>): Promise<string | undefined> {
    const open = await socket;
    const { remoteAddress } = open;
    await gone(open);
    return remoteAddress;
  }

  it('N-01 a refused port is typed and may be tried again', async () => {
    const port = await listen('127.0.0.1');
    await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
    const error = await failure(openTcp(endpointOf(port), waitOf()), CANNOT_REACH, 'SERVER_UNREACHABLE');
    expect(error.retryable).to.equal(true);
    expect(error.message).to.include('ECONNREFUSED');
  });

  it('N-01 a name that does not exist is typed', async () => {
    const to = endpointOf(1, {}, { host: 'no-such-host.invalid' });
    await failure(openTcp(to, waitOf()), CANNOT_REACH, 'SERVER_NAME_UNKNOWN');
  });

  it('N-01 goes on to the next address when the first four refuse', async () => {
    const port = await listen('127.0.0.9');
    const lookup = namesOf('127.0.0.2', '127.0.0.3', '::1', '127.0.0.5', '127.0.0.9');
    expect(await reached(dialling(port, lookup))).to.equal('127.0.0.9');
  });

  it('N-01 gives the first error when all addresses refuse', async () => {
    const port = await listen('127.0.0.9');
    const error = await dialling(port, namesOf('127.0.0.2', '127.0.0.3')).catch((each: unknown) => each);
    expect(error).to.include({ code: 'ECONNREFUSED', address: '127.0.0.2' });
  });

  it('N-01 a resolver that never answers is left at the deadline', async () => {
    const leaving = new AbortController();
    const never = dialling(1, () => new Promise(() => undefined), leaving.signal);
    leaving.abort(new Error('the deadline'));
    expect(await never.catch((error: unknown) => (error as Error).message)).to.equal('the deadline');
  });

  it('a name without an address is an error', async () => {
    const error = await dialling(1, namesOf()).catch((each: unknown) => each);
    expect(error).to.have.property('message', 'the name has no address');
  });

  it('N-19 a silent first address costs a quarter of a second, not the deadline', async () => {
    const port = await listen('127.0.0.1');
    const stop = new Int32Array(new SharedArrayBuffer(8));
    const worker = new Worker(SILENT_LISTENER, { eval: true, workerData: { port, stop: stop.buffer } });
    await once(worker, 'message');
    await untilTrue(() => Atomics.load(stop, 1) === 1);
    // Its queue holds two; from then on, nobody answers.
    const fillers = await Promise.all(Array.from({ length: 2 }, () => dialling(port, namesOf('127.0.0.2'))));
    const startedAt = performance.now();
    expect(await reached(dialling(port, namesOf('127.0.0.2', '127.0.0.1')))).to.equal('127.0.0.1');
    expect(performance.now() - startedAt).to.be.within(200, 1_500);
    await Promise.all(fillers.map(gone));
    Atomics.store(stop, 0, 1);
    Atomics.notify(stop, 0);
    await worker.terminate();
  });

  it('N-19 reaches a server of one family by a name of both', async () => {
    for (const host of ['127.0.0.1', '::1']) {
      const port = await listen(host);
      for (const order of [
        ['127.0.0.1', '::1'],
        ['::1', '127.0.0.1'],
      ])
        expect(await reached(dialling(port, namesOf(...order)))).to.equal(host);
    }
  });

  it('N-18 asks for the address anew for each connection', async () => {
    const port = await listen('127.0.0.1');
    await listen('127.0.0.2', port);
    const answers = ['127.0.0.1', '127.0.0.2'];
    const lookup: Lookup = (host) => namesOf(answers.shift() ?? '')(host);
    expect(await reached(dialling(port, lookup))).to.equal('127.0.0.1');
    expect(await reached(dialling(port, lookup))).to.equal('127.0.0.2');
  });

  it('ends every attempt when its caller leaves', async () => {
    const leaving = new AbortController();
    const attempt = openTcp(endpointOf(1, {}, { host: '127.0.0.1' }), waitOf(5_000, leaving.signal));
    leaving.abort(new Error('left'));
    expect(await attempt.catch((error: unknown) => (error as Error).message)).to.equal('left');
  });
});
