import { after, afterEach, before, beforeEach, describe, it } from 'mocha';
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { startSandbox } from '#sandbox/index.js';
import { formatConnectionString, parseConnectionString, poolOptions } from '#src/index.js';
import { requirePeer, writeExamples } from './guide.mjs';

const examples = writeExamples();

/**
 * What the tests do with the exports of an example: a query with a parameter, a transaction that
 * `work` fails in, and the end. `errorOf` finds our error in what the library throws.
 */
const LIBRARIES = {
  pg: {
    open: ({ pool }) => ({
      sum: async (of) => (await pool.query('select $1::int + 1 as sum', [of])).rows[0].sum,
      async transaction(work) {
        const client = await pool.connect();
        const query = async (sql) => (await client.query(sql)).rows;
        try {
          await query('begin');
          await work(query);
          await query('commit');
        } catch (error) {
          await query('rollback');
          throw error;
        } finally {
          client.release();
        }
      },
      end: () => pool.end(),
    }),
    errorOf: (error) => error,
  },
  knex: {
    open: ({ db }) => ({
      sum: async (of) => (await db.select(db.raw('?::int + 1 as sum', [of])))[0].sum,
      transaction: (work) => db.transaction((on) => work(async (sql) => (await on.raw(sql)).rows)),
      end: () => db.destroy(),
    }),
    errorOf: (error) => error,
  },
  sequelize: {
    open: ({ sequelize }) => ({
      sum: async (of) => (await sequelize.query('select $1::int + 1 as sum', { bind: [of] }))[0][0].sum,
      transaction: (work) =>
        sequelize.transaction((transaction) =>
          work(async (sql) => (await sequelize.query(sql, { transaction }))[0]),
        ),
      end: () => sequelize.close(),
    }),
    errorOf: (error) => error.original,
  },
  typeorm: {
    open: ({ source }) => ({
      sum: async (of) => (await source.query('select $1::int + 1 as sum', [of]))[0].sum,
      transaction: (work) => source.transaction((on) => work((sql) => on.query(sql))),
      end: () => source.destroy(),
    }),
    errorOf: (error) => error,
  },
};

describe('other pools', function () {
  let sandbox;
  let evaluations = 0;
  let printed = [];
  let complaints = [];
  const { log, error: complain } = console;

  before(async function () {
    this.timeout(60_000);
    sandbox = await startSandbox();
  });
  after(() => sandbox.close());
  beforeEach(() => sandbox.control.reset());
  beforeEach(() => {
    printed = [];
    complaints = [];
    console.log = (line) => printed.push(line);
    console.error = (line) => complaints.push(line);
  });
  afterEach(() => {
    console.log = log;
    console.error = complain;
  });

  const connection = (changes = {}) =>
    formatConnectionString({ ...parseConnectionString(sandbox.connections.secret), ...changes });

  /** Evaluates an example anew, as a program that has this connection would. */
  async function evaluate(name, changes) {
    process.env.PG_ENTRA_CONNECTION = connection(changes);
    try {
      return await import(`${pathToFileURL(examples[name]).href}?${(evaluations += 1)}`);
    } finally {
      delete process.env.PG_ENTRA_CONNECTION;
    }
  }

  const backends = () =>
    sandbox.query('select application_name from pg_stat_activity where usename = $1', [sandbox.role]);

  async function untilTrue(holds) {
    const startedAt = performance.now();
    while (!(await holds())) {
      if (performance.now() - startedAt > 10_000) throw new Error(`in vain: ${holds}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  const outcomes = () => sandbox.control.logins().map(({ outcome }) => outcome);

  it('every example of the guide is tested', () => {
    expect(Object.keys(examples)).to.deep.equal([...Object.keys(LIBRARIES), 'bullmq']);
  });

  for (const [name, { open, errorOf }] of Object.entries(LIBRARIES)) {
    describe(name, () => {
      let use;
      const begin = async (changes) => {
        use = open(await evaluate(name, changes));
        sandbox.control.clearLogins();
        return use;
      };
      afterEach(async () => {
        await use?.end();
        use = undefined;
        await untilTrue(async () => (await backends()).length === 0);
      });

      it('connects, takes parameters, and is gone when it is ended', async () => {
        const { sum } = await begin({ ApplicationName: `${name} of the guide` });
        expect(printed).to.deep.equal([[{ sum: 42 }]]);
        expect(await sum(1)).to.equal(2);
        expect((await backends()).map((row) => row.application_name)).to.include(`${name} of the guide`);
        expect(sandbox.control.tokenRequestCount()).to.equal(1);
      });

      it('commits and rolls back', async () => {
        const { transaction } = await begin();
        await sandbox.query('drop table if exists public.of_others', [], { database: sandbox.database });
        await transaction(async (query) => {
          await query('create table public.of_others (n int)');
          await query('insert into public.of_others values (1)');
        });
        const trouble = new Error('on purpose');
        const failed = await transaction(async (query) => {
          await query('insert into public.of_others values (2)');
          throw trouble;
        }).catch((error) => error);
        expect(failed).to.equal(trouble);
        let rows;
        await transaction(async (query) => {
          rows = await query('select n from public.of_others');
        });
        expect(rows).to.deep.equal([{ n: 1 }]);
      });

      it('C-17 opens its next connection with a new token when the old one is refused', async () => {
        const { sum, transaction } = await begin();
        sandbox.control.revoke('all');
        // The present connection is taken: the query needs another one.
        await transaction(async () => {
          expect(await sum(2)).to.equal(3);
        });
        expect(outcomes()).to.deep.equal(['refused', 'accepted']);
        expect(sandbox.control.tokenRequestCount()).to.equal(2);
      });

      it('C-06 renews the token between connections', async () => {
        sandbox.control.setTokenLifetime(2);
        const { sum, transaction } = await begin();
        await untilTrue(() => sandbox.control.tokenRequestCount() >= 2);
        await transaction(async () => {
          expect(await sum(3)).to.equal(4);
        });
        // On a busy machine even a good token of two seconds can be over when it arrives.
        expect(outcomes().at(-1)).to.equal('accepted');
      });

      it('C-18 a token that is refused for good is our error', async () => {
        const { sum, transaction } = await begin();
        sandbox.control.refuseLogins(2, {
          sqlState: '28000',
          message: 'The access token is for another server.',
        });
        let error;
        await transaction(async () => {
          error = await sum(1).catch(errorOf);
        });
        expect(error).to.include({ type: 'POSTGRESQL:INVALID_CREDENTIALS', code: 'TOKEN_REFUSED' });
        expect(outcomes()).to.deep.equal(['refused', 'refused']);
      });

      it('A-12 an unknown role is our error, and nothing stays', async () => {
        const error = await evaluate(name, { User: 'nobody_here' }).catch(errorOf);
        expect(error).to.include({ type: 'POSTGRESQL:INVALID_CREDENTIALS', code: 'ROLE_UNKNOWN' });
        expect(error.cure).to.include('role-sql');
      });
    });
  }

  it('Sequelize: who leaves dialectOptions out gives no token to anybody', async () => {
    const { Sequelize } = requirePeer('sequelize');
    const { user: username, ...options } = poolOptions(connection());
    sandbox.control.setPlaintextOnly(true);
    const sequelize = new Sequelize({ dialect: 'postgres', ...options, username, logging: false });
    const error = await sequelize.query('select 1').catch((thrown) => thrown);
    await sequelize.close();
    expect(error.original).to.include({ code: 'POOL_OPTIONS_CHANGED' });
    expect(sandbox.control.logins().filter(({ passwordReceived }) => passwordReceived)).to.deep.equal([]);
  });

  describe('bullmq', () => {
    let parts = [];
    afterEach(async () => {
      await Promise.all(parts.splice(0).map((part) => part.close()));
      await untilTrue(async () => (await backends()).length === 0);
    });

    async function begin() {
      const { queue, events, worker } = await evaluate('bullmq');
      parts = [worker, events, queue];
      /**
       * The answers to jobs that are queued at once, from the worker itself: QueueEvents reads what is
       * newer than the last event it saw, and so never tells of one whose transaction ended later
       * than that of the next number.
       */
      return async function sums(count) {
        const answers = new Map();
        const note = ({ id, returnvalue, failedReason }) => answers.set(id, failedReason ?? returnvalue);
        worker.on('completed', note).on('failed', note);
        const jobs = await Promise.all(Array.from({ length: count }, (_, of) => queue.add('sum', { of })));
        await untilTrue(() => jobs.every(({ id }) => answers.has(id)));
        worker.off('completed', note).off('failed', note);
        return jobs.map(({ id }) => answers.get(id));
      };
    }

    it('works off jobs from PostgreSQL, with one token, and is gone when it is closed', async () => {
      const sums = await begin();
      expect(printed).to.deep.equal([42]);
      expect(await sums(10)).to.deep.equal(Array.from({ length: 10 }, (_, of) => of + 1));
      expect(sandbox.control.tokenRequestCount()).to.equal(1);
    });

    it('C-17 opens its next connections with a new token when the old one is refused', async () => {
      const sums = await begin();
      sandbox.control.clearLogins();
      sandbox.control.revoke('all');
      expect(await sums(10)).to.deep.equal(Array.from({ length: 10 }, (_, of) => of + 1));
      expect(outcomes()).to.include.members(['refused', 'accepted']);
      expect(sandbox.control.tokenRequestCount()).to.equal(2);
      expect(complaints).to.deep.equal([]);
    });
  });

  it('a program that ends its pool ends by itself', async () => {
    const program = `
      const { pool } = await import(${JSON.stringify(pathToFileURL(examples.pg).href)});
      await pool.end();`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, PG_ENTRA_CONNECTION: connection() },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    expect({ code: child.exitCode, stderr }).to.deep.equal({ code: 0, stderr: '' });
    expect(stdout).to.include('sum: 42');
  });
});
