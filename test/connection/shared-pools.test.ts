import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect } from 'chai';
import { systemClock } from '#src/clock.js';
import type { Connector, ConnectorOptions } from '#src/connector.js';
import { failure } from '../support/failure.js';
import { FakeClock } from '../support/fake-clock.js';
import { recordingLogger } from '../support/log.js';
import { untilTrue, useSandbox } from '../support/use-sandbox.js';
import { storm } from './pool/login-storm.js';

const ONE = { sql: 'select 1 as one' };
const SLEEP = { sql: 'select pg_sleep(30)' };

describe('pools of a process', function () {
  this.timeout(20_000);
  const use = useSandbox();
  const connect = (changes: Record<string, string> = {}, options: ConnectorOptions = {}): Connector =>
    use.connect(changes, { clock: systemClock, ...options });

  const sleeping = async (): Promise<boolean> =>
    (await use.sandbox.query(`select 1 from pg_stat_activity where query like 'select pg_sleep%'`)).length >
    0;
  const backend = async (connector: Connector): Promise<unknown> =>
    (await connector.execute('select', { sql: 'select pg_backend_pid() as id' })).rows[0]?.['id'];

  it('connectors with the same settings share sessions, whatever they log', async () => {
    const [one, other] = [
      connect(),
      connect({ Verbosity: '3', MaxRows: '5' }, { logger: recordingLogger() }),
    ];
    const id = await backend(one);
    expect(await backend(other)).to.equal(id);
    expect(use.sandbox.control.tokenRequestCount()).to.equal(1);
    for (const connector of [one, other]) {
      const { pool, sessionsOpened } = connector.health();
      expect({ pool, sessionsOpened }).to.deep.equal({
        pool: { idle: 1, inUse: 0, opening: 0, waiting: 0 },
        sessionsOpened: 1,
      });
    }
    expect(connect().health().sessionsOpened, 'of one that came later').to.equal(0);
  });

  for (const [what, changes] of [
    ['ApplicationName', { ApplicationName: 'other' }],
    ['TimeZone', { TimeZone: 'Asia/Tokyo' }],
    ['PoolMaxSize', { PoolMaxSize: '3' }],
    ['Timeout', { Timeout: '17' }],
    ['secret', { OAuthClientSecretFallback: 'another' }],
  ] as const) {
    it(`another ${what} means another pool`, async () => {
      const [one, other] = [connect(), connect(changes)];
      expect(await backend(other)).not.to.equal(await backend(one));
    });
  }

  it('what a host brings along means another pool', () => {
    const one = connect({}, { clock: new FakeClock() });
    const other = connect({}, { clock: new FakeClock() });
    void one.execute('select', ONE).catch(() => undefined);
    expect(one.health().pool.waiting).to.equal(1);
    expect(other.health().pool.waiting).to.equal(0);
  });

  it('closing one leaves the sessions to the others, the last one ends them', async () => {
    const [one, other] = [connect(), connect()];
    const id = await backend(one);
    await one.close();
    expect(await backend(other)).to.equal(id);
    await failure(one.execute('select', ONE), 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
    await other.close();
    await untilTrue(
      async () =>
        (await use.sandbox.query('select 1 from pg_stat_activity where pid = $1', [id])).length === 0,
    );
    expect(await backend(connect()), 'of the next pool').not.to.equal(id);
  });

  it('B-18 closing one rejects who waits there, and nobody else', async () => {
    const changes = { PoolMaxSize: '1' };
    const [one, other] = [connect(changes), connect(changes)];
    const leaving = new AbortController();
    const running = other.execute('select', SLEEP, { signal: leaving.signal });
    running.catch(() => undefined);
    await untilTrue(sleeping);
    const waiting = one.execute('select', ONE);
    const patient = other.execute('select', ONE);
    const closing = one.close();
    await failure(waiting, 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
    await closing;
    leaving.abort();
    await failure(running, 'POSTGRESQL:CANCELLED', 'CANCELLED');
    expect((await patient).rows).to.deep.equal([{ one: 1 }]);
  });

  it('what opens for one that closes is taken over for the others', async () => {
    const changes = { PoolMaxSize: '1' };
    const [one, other] = [connect(changes), connect(changes)];
    use.sandbox.control.addFaults({ action: 'hang', kind: 'token', times: 1 });
    const lost = one.execute('select', ONE);
    lost.catch(() => undefined);
    await untilTrue(() => use.sandbox.control.requests().some(({ kind }) => kind === 'token'));
    const patient = other.execute('select', ONE);
    await one.close();
    await failure(lost, 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
    expect((await patient).rows).to.deep.equal([{ one: 1 }]);
  });

  it('events go to the connector on whose behalf they happen, each to one', async () => {
    const loggers = [recordingLogger(), recordingLogger()];
    const [one, other] = [connect({}, { logger: loggers[0]! }), connect({}, { logger: loggers[1]! })];
    await one.execute('select', ONE);
    await other.execute('select', ONE);
    await one.close();
    await other.close();
    const names = (at: number): string[] =>
      loggers[at]!.lines.map((line) => line.split(' ')[1] ?? '').filter((name) =>
        name.startsWith('session.'),
      );
    expect(names(0)).to.deep.equal(['session.opened:', 'session.lent:', 'session.returned:']);
    expect(names(1)).to.deep.equal(['session.lent:', 'session.returned:', 'session.closed:']);
  });

  it('B-09 names the operation that holds a session for long, and no SQL', async () => {
    const clock = new (class extends FakeClock {
      override after(ms: number, task: () => void): () => void {
        if (ms !== 60_000) return super.after(ms, task);
        const timer = setTimeout(task, 1);
        return () => clearTimeout(timer);
      }
    })(Date.now());
    const logger = recordingLogger();
    const connector = connect({ PoolWaitTime: '7', PoolIdleTimeout: '8', Timeout: '9' }, { logger, clock });
    await connector.execute('select', { sql: 'select pg_sleep(0.1)' });
    const held = logger.lines.filter((line) => line.includes('session.held'));
    expect(held).to.have.length(1);
    expect(held[0]).to.match(/^warn session.held: select has held session \d+ for 60000 ms/);
    await connector.execute('select', ONE);
  });

  it('N-13 a connection whose packets vanish while it is idle: the next message works within 2 s', async () => {
    const way = await startSilentWay(use.sandbox.gate.port);
    try {
      let restedMs = 0;
      const clock = { ...systemClock, steadyMs: () => systemClock.steadyMs() + restedMs };
      const connector = connect({ Port: String(way.port) }, { clock });
      const all = Array.from({ length: 3 }, () =>
        connector.execute('select', { sql: 'select pg_sleep(0.2)' }),
      );
      await Promise.all(all);
      way.fallSilent();
      restedMs = 600;
      const startedAt = performance.now();
      expect((await connector.execute('select', ONE)).rows).to.deep.equal([{ one: 1 }]);
      expect(performance.now() - startedAt).to.be.within(500, 2_000);
      await connector.close();
    } finally {
      await way.close();
    }
  });

  it('B-01 B-03 N-17 a session that ended while it was idle is replaced without the flow seeing it, at its least too', async () => {
    const connector = connect({ PoolMinSize: '2' });
    const first = await backend(connector);
    await untilTrue(() => connector.health().pool.idle === 2);
    await use.sandbox.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [
      use.sandbox.role,
    ]);
    await untilTrue(() => connector.health().sessionsOpened === 4 && connector.health().pool.idle === 2);
    expect(await backend(connector)).not.to.equal(first);
    expect(connector.health().sessionsOpened).to.equal(4);
  });

  it('B-01 restarts of the database between messages are no errors', async function () {
    this.timeout(60_000);
    const connector = connect();
    for (let round = 0; round < 3; round += 1) {
      await connector.execute('select', ONE);
      await use.sandbox.control.restartPostgres();
      expect((await connector.execute('select', ONE)).rows).to.deep.equal([{ one: 1 }]);
    }
  });

  // The full form, 1,000: npm run storm:logins
  it('N-20 100 logins at once make one token request and no failure', async () => {
    const { failures, tokenRequests, sessionsOpened, mostAtOnce } = await storm(use.sandbox, 100);
    expect({ failures, tokenRequests, sessionsOpened }).to.deep.equal({
      failures: {},
      tokenRequests: 1,
      sessionsOpened: 100,
    });
    expect(mostAtOnce).to.be.at.most(100);
  });
});

/** A way to `port` of this machine on which connections stay open and nothing passes any more. */
async function startSilentWay(port: number) {
  const pairs = new Set<Socket>();
  let silent: Socket[] = [];
  const server = createServer((client) => {
    const target = connectTcp(port, '127.0.0.1');
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      pairs.add(from);
      from.on('error', () => undefined);
      from.on('data', (bytes) => {
        if (!silent.includes(from)) to.write(bytes);
      });
      from.on('close', () => {
        if (!silent.includes(from)) to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    /** For the connections that are there; new ones work. */
    fallSilent: () => {
      silent = [...pairs];
    },
    close: async (): Promise<void> => {
      for (const socket of pairs) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
