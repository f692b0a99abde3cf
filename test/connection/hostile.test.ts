import { expect } from 'chai';
import { createConnector, type Connector } from '#src/connector.js';
import type { ErrorCode, ErrorType } from '#src/errors.js';
import { ExpiringClock } from '../support/expiring-clock.js';
import { failure } from '../support/failure.js';
import { afterLogin, startFakeServer, type Step } from '../support/fake-server.js';
import { authentication } from '../support/server-messages.js';
import { watchStalls } from '../support/stalls.js';
import { untilTrue, useSandbox } from '../support/use-sandbox.js';
import {
  AFTER_LOGIN,
  DURING_LOGIN,
  HARMLESS,
  NEVER_READY,
  SCRAM,
  UNREADABLE,
  type Outcome,
} from './hostile-servers.js';

/** Longest that the event loop may be held, in milliseconds. */
const LONGEST_STALL_MS = 100;
/** How often it may be looked at before it counts. */
const STALL_ROUNDS = 3;
/** How long after the session is there a limit of time is declared to be over. */
const PATIENCE_MS = 30;

const STATEMENT = { sql: 'select 1 as one' };

/** How the connector logs in: by a token over verified TLS, or by a password in the clear, which is faster. */
const SCHEMES = {
  token: {
    from: 'secret',
    changes: { OAuthSettingsLocation: 'memory://hostile' },
    request: authentication(3),
  },
  password: {
    from: 'password',
    changes: { UseSSL: 'false', RequireAuth: 'MD5' },
    request: authentication(5, 'salt'),
  },
} as const;
type Scheme = (typeof SCHEMES)[keyof typeof SCHEMES];

/** What a connector is asked; each way is another path through session and driver. */
const WAYS = {
  select: (connector: Connector) => connector.execute('select', STATEMENT),
  stream: (connector: Connector) => all(connector.stream('select', STATEMENT)),
  write: (connector: Connector) => connector.execute('execute', STATEMENT),
};

/** Whatever went wrong with the answer to a write. */
const NOBODY_KNOWS: readonly [ErrorType, ErrorCode] = ['POSTGRESQL:OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN'];

const never = () => false;

describe('hostile servers', function () {
  this.timeout(STALL_ROUNDS * 5_000);
  const use = useSandbox({ skipPostgres: true });
  const { token, password } = SCHEMES;

  // One token serves all, and what is loaded at first use is loaded here.
  before(async () => {
    for (const scheme of [token, password])
      await meetOnce(scheme, afterLogin([{ serve: {} }], scheme.request), WAYS.select);
  });

  /**
   * Asserts what {@link meetOnce} does, and that nothing has held the event loop. What we do that takes too long does so
   * every time; what a busy machine or a collection of garbage adds mostly does not.
   */
  async function meet(...meeting: Parameters<typeof meetOnce>): Promise<void> {
    let longestMs = Infinity;
    for (let round = 0; round < STALL_ROUNDS && longestMs >= LONGEST_STALL_MS; round += 1)
      longestMs = Math.min(longestMs, await meetOnce(...meeting));
    expect(longestMs, 'longest stall in ms').to.be.lessThan(LONGEST_STALL_MS);
  }

  /**
   * Lets `run` meet a server that follows `steps`, and a good one from the second connection on.
   * Asserts that the connector is of use afterwards; the longest time in ms for which the event loop was held.
   */
  async function meetOnce(
    { from, changes, request }: Scheme,
    steps: readonly Step[],
    run: (connector: Connector, clock: ExpiringClock) => Promise<unknown>,
  ): Promise<number> {
    const certificate = await use.sandbox.serverCertificates.pem('valid');
    const server = await startFakeServer({
      certificate,
      steps,
      later: [afterLogin([{ serve: {} }], request)],
    });
    const clock = new ExpiringClock();
    const properties = use.properties({ ...changes, Port: String(server.port), PoolMaxSize: '2' }, from);
    const connector = createConnector(properties, { clock });
    const watch = watchStalls();
    try {
      await run(connector, clock);
      expect((await WAYS.select(connector)).rows).to.deep.equal([{ one: '1' }]);
      return watch.end();
    } finally {
      watch.end();
      // The grace of sessions whose server says nothing more is over at once, too.
      const hurry = setInterval(() => {
        clock.expire();
      }, PATIENCE_MS);
      await connector.close();
      clearInterval(hurry);
      await server.close();
    }
  }

  /** Fails as told; where that is by a limit of time, the limit is over soon. */
  async function outcome(
    way: (connector: Connector) => Promise<unknown>,
    [type, code]: Outcome,
    [connector, clock]: readonly [Connector, ExpiringClock],
    isUnderWay: () => boolean,
  ): Promise<void> {
    const heard = failure(way(connector), type, code);
    let isSettled = false;
    const settled = heard.finally(() => (isSettled = true));
    settled.catch(() => undefined);
    await untilTrue(() => isSettled || isUnderWay());
    const timer = setTimeout(() => {
      clock.expire();
    }, PATIENCE_MS);
    await settled.finally(() => {
      clearTimeout(timer);
    });
  }

  const whenLoggedIn = (connector: Connector) => () => connector.health().pool.inUse === 1;
  const atOnce = () => true;

  describe('during the login', () => {
    for (const [title, steps, expected] of DURING_LOGIN) {
      it(`${title}: ${expected[1]}`, () =>
        meet(token, [{ expect: 'startup' }, ...steps], (...made) =>
          outcome(WAYS.select, expected, made, expected[1] === 'CONNECT_TIMEOUT' ? atOnce : never),
        ));
    }
  });

  describe('while a password is proved', () => {
    for (const [title, steps, expected] of SCRAM) {
      it(`${title}: ${expected[1]}`, () =>
        meet(password, [{ expect: 'startup' }, ...steps], (...made) =>
          outcome(WAYS.select, expected, made, expected[1] === 'CONNECT_TIMEOUT' ? atOnce : never),
        ));
    }
  });

  for (const [way, run] of Object.entries(WAYS)) {
    describe(`in answer to a ${way}`, () => {
      for (const [title, steps, expected] of AFTER_LOGIN) {
        const [type, code] = way === 'write' ? NOBODY_KNOWS : expected;
        if (way !== 'write' && expected[1] === 'CONNECTION_LOST') {
          it(`${title}: is asked again`, () =>
            meet(password, afterLogin(steps, password.request), (connector) => run(connector)));
          continue;
        }
        const waits = expected[1] === 'OPERATION_TIMEOUT';
        it(`${title}: ${code}`, () =>
          meet(password, afterLogin(steps, password.request), (...made) =>
            outcome(run, [type, code], made, waits ? whenLoggedIn(made[0]) : never),
          ));
      }
    });
  }

  describe('B-26 an error without readiness', () => {
    const [type, code] = ['POSTGRESQL:BAD_SQL_SYNTAX', 'SYNTAX_ERROR'] as const;
    const neverReady = afterLogin(NEVER_READY, password.request);

    it('ends a select by its limit, as others may follow in its session', () =>
      meet(password, neverReady, (...made) =>
        outcome(WAYS.select, ['POSTGRESQL:QUERY_TIMEOUT', 'OPERATION_TIMEOUT'], made, whenLoggedIn(made[0])),
      ));

    it('is told to a stream at once, and its session is not lent again', () =>
      meet(password, neverReady, (connector) => failure(WAYS.stream(connector), type, code)));
  });

  it('V-19 B-24 what the driver throws while it reads is contained, and shows no value', () =>
    meet(password, afterLogin(UNREADABLE, password.request), async (connector) => {
      const error = await failure(
        WAYS.stream(connector),
        'POSTGRESQL:PROTOCOL_VIOLATION',
        'PROTOCOL_VIOLATION',
      );
      expect(error.message).not.to.include('secret');
    }));

  describe('a server that only wastes our time', () => {
    for (const [title, steps] of HARMLESS) {
      it(`${title}: gets its answers`, () =>
        meet(password, afterLogin(steps, password.request), async (connector) => {
          const before = process.memoryUsage.rss();
          expect(await WAYS.select(connector)).to.have.deep.property('rows', [{ one: '1' }]);
          expect((process.memoryUsage.rss() - before) / 1e6, 'growth in MB').to.be.lessThan(100);
        }));
    }
  });
});

async function all<T>(batches: AsyncIterable<T[]>): Promise<T[]> {
  const rows: T[] = [];
  for await (const batch of batches) rows.push(...batch);
  return rows;
}
