import { expect } from 'chai';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createConnector, type Connector } from '#src/connector.js';
import { FakeClock, settle } from '../support/fake-clock.js';
import { failure } from '../support/failure.js';
import { untilTrue, useSandbox } from '../support/use-sandbox.js';

const READ = { sql: 'select 1 as one' };

interface Retry {
  readonly attempt: number;
  readonly host: string;
  readonly code: string;
  readonly delayMs: number;
}

describe('reconnection', function () {
  this.timeout(15_000);
  const use = useSandbox();
  let clock: FakeClock;
  let retries: Retry[];
  /** What happens at each retry; unless told otherwise its wait passes. */
  let onRetry: (retry: Retry) => void;
  const open: Connector[] = [];

  const listener = (event: unknown): void => {
    const retry = event as Retry;
    retries.push(retry);
    // The wait begins right behind the report.
    setImmediate(() => onRetry(retry));
  };
  const pass = ({ delayMs }: Retry): void => clock.advance(delayMs);

  beforeEach(() => {
    // Of today, since certificates are looked at by it.
    clock = new FakeClock(Date.now());
    retries = [];
    onRetry = pass;
    subscribe('pg-entra:connection.retry', listener);
  });
  afterEach(async () => {
    unsubscribe('pg-entra:connection.retry', listener);
    await Promise.all(open.splice(0).map((connector) => connector.close()));
    await use.sandbox.query(`alter role ${use.sandbox.passwordRole.user} connection limit -1`);
  });

  const connect = (changes: Record<string, string> = {}): Connector => {
    const connector = createConnector(use.properties(changes, 'password'), { clock });
    open.push(connector);
    return connector;
  };
  const gate = (): string => `localhost:${use.sandbox.gate.port}`;
  const refuse = (count: number, sqlState: string): void =>
    use.sandbox.control.refuseLogins(count, { sqlState, message: 'not now' });

  describe('of a server that takes no logins now', () => {
    for (const [row, sqlState, code] of [
      ['B-02', '57P01', 'SERVER_STARTING'],
      ['B-02', '57P02', 'SERVER_STARTING'],
      ['B-02', '57P03', 'SERVER_STARTING'],
      ['B-30', '53300', 'SERVER_BUSY'],
    ] as const) {
      it(`${row} ${sqlState} is tried again with growing waits`, async () => {
        refuse(4, sqlState);
        expect((await connect().execute('select', READ)).rows).to.deep.equal([{ one: 1 }]);
        expect(retries).to.deep.equal(
          [150, 300, 600, 1_200].map((delayMs, at) => ({ attempt: at + 1, host: gate(), code, delayMs })),
        );
      });
    }

    it('B-30 a real server that is full lets us in as soon as there is room', async () => {
      const { user } = use.sandbox.passwordRole;
      await use.sandbox.query(`alter role ${user} connection limit 0`);
      onRetry = (retry) => {
        void use.sandbox.query(`alter role ${user} connection limit -1`).then(() => pass(retry));
      };
      await connect().execute('select', READ);
      expect(retries.map(({ code }) => code)).to.deep.equal(['SERVER_BUSY']);
    });

    it('B-02 a server that is down between two such answers is waited for', async () => {
      refuse(1, '57P01');
      onRetry = (retry) => {
        const isUp = retry.attempt > 1;
        void use.sandbox.control.setReachable('gate', isUp).then(() => pass(retry));
      };
      await connect().execute('select', READ);
      expect(retries.map(({ code }) => code)).to.deep.equal(['SERVER_STARTING', 'SERVER_UNREACHABLE']);
    });

    it('B-02 it ends with Timeout, by the error of the server', async () => {
      refuse(1_000, '57P03');
      const outcome = connect({ Timeout: '10' }).execute('select', READ);
      await failure(outcome, 'POSTGRESQL:CONNECTIVITY', 'SERVER_STARTING');
      const waitedMs = retries.reduce((sum, { delayMs }) => sum + delayMs, 0);
      expect(waitedMs).to.be.within(5_000, 9_000);
    });

    it('B-02 it ends within a minute where Timeout sets no limit', async () => {
      refuse(1_000, '57P03');
      const outcome = connect({ Timeout: '0' }).execute('select', READ);
      await failure(outcome, 'POSTGRESQL:CONNECTIVITY', 'SERVER_STARTING');
      expect(clock.steadyMs()).to.be.within(50_000, 59_000);
    });

    it('waits with jitter, and never without a pause', async () => {
      clock.chance = 0;
      refuse(1, '57P03');
      await connect().execute('select', READ);
      clock.chance = 0.999;
      refuse(1, '57P03');
      await connect({ ApplicationName: 'a pool of its own' }).execute('select', READ);
      expect(retries.map(({ delayMs }) => delayMs)).to.deep.equal([100, 200]);
    });

    it('B-17 a caller who leaves, and the end of the connector, end the wait at once', async () => {
      onRetry = () => undefined;
      refuse(1_000, '57P03');
      const leaving = new AbortController();
      const connector = connect();
      const left = connector.execute('select', READ, { signal: leaving.signal });
      await untilTrue(() => retries.length === 1);
      leaving.abort();
      await failure(left, 'POSTGRESQL:CANCELLED', 'CANCELLED');
      const closed = connector.execute('select', READ);
      closed.catch(() => undefined);
      await untilTrue(() => retries.length === 2);
      await connector.close();
      await failure(closed, 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
      await settle();
      expect(clock.pendingTimers).to.equal(0);
    });
  });

  it('C-17 a token is replaced once for each login, however many servers it is tried at', async () => {
    const connector = use.connect({ Server: `localhost:1,${gate()}`, PoolMaxSize: '1' });
    await connector.execute('select', READ);
    use.sandbox.control.revoke('all');
    use.sandbox.control.dropSessions();
    await untilTrue(() => connector.health().pool.idle === 0);
    await connector.execute('select', READ);
    expect(use.sandbox.control.tokenRequestCount()).to.equal(2);
    expect(use.sandbox.control.logins().map(({ outcome }) => outcome)).to.deep.equal([
      'accepted',
      'refused',
      'accepted',
    ]);
  });

  describe('by strategy', () => {
    const unreachable = (changes: Record<string, string>): Connector => connect({ Port: '1', ...changes });

    it('NONE fails at once, with the error itself', async () => {
      await failure(unreachable({}).execute('select', READ), 'POSTGRESQL:CANNOT_REACH', 'SERVER_UNREACHABLE');
      expect(retries).to.deep.equal([]);
    });

    it('STANDARD ends after its attempts, and keeps the cause', async () => {
      const connector = unreachable({ ReconnectionStrategy: 'STANDARD' });
      const error = await failure(
        connector.execute('select', READ),
        'POSTGRESQL:RETRY_EXHAUSTED',
        'RECONNECTION_EXHAUSTED',
      );
      expect(error.message).to.match(/^No session could be opened in 3 attempts: The server localhost:1 /);
      expect(error.cause).to.include({ code: 'SERVER_UNREACHABLE' });
      expect(retries).to.deep.equal(
        [1, 2].map((attempt) => ({
          attempt,
          host: 'localhost:1',
          code: 'SERVER_UNREACHABLE',
          delayMs: 2_000,
        })),
      );
      expect(connector.health()).not.to.have.property('reconnection');
    });

    it('STANDARD waits and tries as often as it is told', async () => {
      const settings = { ReconnectionAttempts: '5', ReconnectionFrequency: '700' };
      const connector = unreachable({ ReconnectionStrategy: 'STANDARD', ...settings });
      await failure(
        connector.execute('select', READ),
        'POSTGRESQL:RETRY_EXHAUSTED',
        'RECONNECTION_EXHAUSTED',
      );
      expect(retries.map(({ delayMs }) => delayMs)).to.deep.equal([700, 700, 700, 700, 700]);
    });

    it('what cannot pass by itself is not tried again', async () => {
      const connector = connect({ ReconnectionStrategy: 'FOREVER', Password: 'wrong' });
      await failure(connector.execute('select', READ), 'POSTGRESQL:INVALID_CREDENTIALS', 'PASSWORD_REFUSED');
      expect(retries).to.deep.equal([]);
    });

    it('G7 FOREVER finds the server when it is back, and health() tells of it until then', async () => {
      await use.sandbox.control.setReachable('gate', false);
      const connector = connect({ ReconnectionStrategy: 'FOREVER', PoolWaitTime: '0' });
      let health: object | undefined;
      onRetry = (retry) => {
        if (retry.attempt < 50) {
          pass(retry);
          return;
        }
        health = connector.health().reconnection;
        void use.sandbox.control.setReachable('gate', true).then(() => pass(retry));
      };
      await connector.execute('select', READ);
      expect(retries).to.have.length(50);
      expect(health).to.deep.equal({ attempts: 50, code: 'SERVER_UNREACHABLE' });
      expect(connector.health()).not.to.have.property('reconnection');
    });

    it('B-08 FOREVER ends for each who waits with PoolWaitTime, and for all with the last of them', async () => {
      const connector = unreachable({
        ReconnectionStrategy: 'FOREVER',
        PoolWaitTime: '11',
        PoolMaxSize: '1',
      });
      const first = connector.execute('select', READ);
      const waits: Promise<unknown>[] = [first];
      onRetry = (retry) => {
        if (retry.attempt === 3) waits.push(failureOf(connector.execute('select', READ)));
        // The second one asks before the time passes.
        setImmediate(() => pass(retry));
      };
      const error = await failure(first, 'POSTGRESQL:RETRY_EXHAUSTED', 'RECONNECTION_EXHAUSTED');
      expect(error.message).to.contain('in 6 attempts');
      expect(clock.steadyMs()).to.be.within(11_000, 12_000);
      await waits[1];
      expect(clock.steadyMs()).to.be.within(15_000, 16_000);
      await settle();
      expect(clock.pendingTimers).to.equal(0);
      expect(connector.health().pool).to.deep.equal({ idle: 0, inUse: 0, opening: 0, waiting: 0 });
    });

    it('B-08 FOREVER ends with the time limit of an operation, which keeps why no session was opened', async () => {
      const connector = unreachable({ ReconnectionStrategy: 'FOREVER', PoolWaitTime: '0' });
      const limited = connector.execute('select', READ, { timeoutMs: 5_000 });
      const error = await failure(limited, 'POSTGRESQL:QUERY_TIMEOUT', 'OPERATION_TIMEOUT');
      expect(error.cause).to.include({ code: 'RECONNECTION_EXHAUSTED' });
      expect((error.cause as Error).message).to.contain('in 3 attempts: The server localhost:1 ');
    });

    const failureOf = (outcome: Promise<unknown>) =>
      failure(outcome, 'POSTGRESQL:RETRY_EXHAUSTED', 'RECONNECTION_EXHAUSTED');

    it('B-17 B-18 its wait ends at once with the caller, and with the connector', async () => {
      onRetry = () => undefined;
      const connector = unreachable({ ReconnectionStrategy: 'FOREVER' });
      const leaving = new AbortController();
      const left = connector.provider.connect({ signal: leaving.signal });
      await untilTrue(() => retries.length === 1);
      leaving.abort();
      await failure(left, 'POSTGRESQL:CANCELLED', 'CANCELLED');
      const closed = connector.provider.connect();
      closed.catch(() => undefined);
      await untilTrue(() => retries.length === 2);
      await connector.close();
      await failure(closed, 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
      expect(clock.pendingTimers).to.equal(0);
    });
  });
});
