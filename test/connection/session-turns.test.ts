import { once } from 'node:events';
import { expect } from 'chai';
import { failure } from '../support/failure.js';
import { afterLogin, startFakeServer } from '../support/fake-server.js';
import {
  BIND_COMPLETE,
  commandComplete,
  errorResponse,
  NO_DATA,
  PARSE_COMPLETE,
  readyForQuery,
} from '../support/server-messages.js';
import { untilTrue, useSandbox } from '../support/use-sandbox.js';

describe('statements of one session, one after the other', function () {
  this.timeout(20_000);
  const use = useSandbox();
  const read = (text: string) => ({ text, values: [] });

  before(async () => {
    await use.sandbox.query('create table written (what text)');
    await use.sandbox.query('grant all on written to public');
    await use.sandbox.query(
      `create function place_order(text) returns int language plpgsql as
        $$ begin insert into written values ($1); perform pg_sleep(20); return 1; end $$`,
    );
  });
  const written = (what: string) => use.sandbox.query('select 1 from written where what = $1', [what]);

  it('one that is given up while it waits for its turn is never sent, and stops no other', async () => {
    const session = await use.connect().provider.connect();
    const first = session.all(read('select pg_sleep(0.3), 1 as a'), { writes: false });
    const leaving = new AbortController();
    const { signal } = leaving;
    const options = { writes: true, signal };
    const second = session.all(read("insert into written values ('given up')"), options);
    const third = session.all(read('select 3 as c'), { writes: false });
    await untilTrue(() => session.sent === 1);
    leaving.abort();
    await failure(second, 'POSTGRESQL:CANCELLED', 'CANCELLED');
    expect((await first).rows).to.deep.equal([{ pg_sleep: '', a: 1 }]);
    expect((await third).rows).to.deep.equal([{ c: 3 }]);
    expect(session.sent).to.equal(2);
    expect(await written('given up')).to.deep.equal([]);
  });

  it('what waits for a session that breaks fails with it, and was not sent', async () => {
    const session = await use.connect().provider.connect();
    const rows = session.run(read('select generate_series(1, 1000)'), { writes: false, batchSize: 1 });
    await rows.next();
    const waiting = session.all(read('select 1'), { writes: true });
    waiting.catch(() => undefined);
    use.sandbox.control.dropSessions();
    await failure(waiting, 'POSTGRESQL:CONNECTIVITY', 'CONNECTION_LOST');
    expect(session.sent).to.equal(1);
    await rows.return(undefined);
  });

  it('a session in use is not valid at its limit, and its statement goes on', async () => {
    const { provider } = use.connect({ Timeout: '1' });
    const session = await provider.connect();
    const rows = session.run(read('select generate_series(1, 2) as n'), { writes: false, batchSize: 1 });
    await rows.next();
    const verdict = await provider.validate(session);
    expect(verdict).to.have.nested.property('error.code', 'OPERATION_TIMEOUT');
    expect((await rows.next()).value?.rows).to.deep.equal([{ n: 2 }]);
    await rows.return(undefined);
    expect(await provider.validate(session)).to.deep.equal({ valid: true });
  });

  it('a transaction with a failed statement is never a success', async () => {
    const session = await use.connect().provider.connect();
    const work = session.transaction(async () => {
      await session.all(read("insert into written values ('rolled back')"), { writes: true });
      await session.all(read('select 1 / 0'), { writes: false }).catch(() => undefined);
    }, {});
    const error = await work.catch((cause: unknown) => cause);
    expect(error).to.have.property('code', 'TRANSACTION_ABORTED');
    expect(await written('rolled back')).to.deep.equal([]);
    expect(session.usable).to.equal(true);
  });

  it('B-11 a BEGIN that is given up, and comes all the same, is rolled back', async () => {
    const leaving = new AbortController();
    const server = await startFakeServer({
      certificate: await use.sandbox.serverCertificates.pem('valid'),
      steps: afterLogin([
        { expect: 'S' },
        { until: once(leaving.signal, 'abort') },
        {
          send: Buffer.concat([
            PARSE_COMPLETE,
            BIND_COMPLETE,
            NO_DATA,
            commandComplete('BEGIN'),
            readyForQuery('T'),
          ]),
        },
        { expect: 'Q' },
        { send: Buffer.concat([commandComplete('ROLLBACK'), readyForQuery('I')]) },
      ]),
      // The cancel request, which comes too late.
      later: [[{ expect: 'startup' }, { close: 'end' }]],
    });
    try {
      const { provider } = use.connect({ Port: String(server.port) });
      const session = await provider.connect();
      const work = session.transaction(() => Promise.resolve(), leaving);
      await untilTrue(() => server.received[0]!.includes('begin'));
      leaving.abort();
      await failure(work, 'POSTGRESQL:CANCELLED', 'CANCELLED');
      await untilTrue(() => session.usable);
      await provider.disconnect(session);
    } finally {
      await server.close();
    }
  });

  it('a failed statement counts before the server is ready again, too', async () => {
    let sawError = (): void => undefined;
    const reaction = new Promise<void>((resolve) => (sawError = resolve));
    const answer = (tag: string, status: string) => [
      { expect: 'S' },
      {
        send: Buffer.concat([
          PARSE_COMPLETE,
          BIND_COMPLETE,
          NO_DATA,
          commandComplete(tag),
          readyForQuery(status),
        ]),
      },
    ];
    const server = await startFakeServer({
      certificate: await use.sandbox.serverCertificates.pem('valid'),
      steps: afterLogin([
        ...answer('BEGIN', 'T'),
        { expect: 'S' },
        { send: errorResponse('22012', 'division by zero', 'ERROR') },
        { until: reaction },
        { send: readyForQuery('E') },
        ...answer('ROLLBACK', 'I'),
      ]),
    });
    try {
      const { provider } = use.connect({ Port: String(server.port) });
      const session = await provider.connect();
      const work = session.transaction(async () => {
        await session.all(read('select 1 / 0'), { writes: false }).catch(sawError);
      }, {});
      await failure(work, 'POSTGRESQL:QUERY_EXECUTION', 'TRANSACTION_ABORTED');
      await provider.disconnect(session);
    } finally {
      await server.close();
    }
  });

  for (const how of ['limit', 'signal'] as const) {
    it(`B-21 a stream that nobody reads gives its session back at its ${how}`, async () => {
      const connector = use.connect({ PoolMaxSize: '1' });
      const leaving = new AbortController();
      const stream = connector.stream(
        'select',
        { sql: 'select generate_series(1, 100000)' },
        { batchSize: 1, ...(how === 'limit' ? { timeoutMs: 150 } : { signal: leaving.signal }) },
      );
      const rows = stream[Symbol.asyncIterator]();
      await rows.next();
      const other = connector.execute('execute', { sql: 'select 1 as one' });
      if (how === 'signal') leaving.abort();
      expect((await other).rows).to.deep.equal([{ one: 1 }]);
      if (how === 'limit') await failure(rows.next(), 'POSTGRESQL:QUERY_TIMEOUT', 'OPERATION_TIMEOUT');
      else await failure(rows.next(), 'POSTGRESQL:CANCELLED', 'CANCELLED');
      expect(connector.health().pool).to.include({ inUse: 0, idle: 1 });
      expect(connector.health().sessionsOpened).to.equal(1);
    });
  }

  it('a select that calls a function of the database leaves doubt when it is given up', async () => {
    const connector = use.connect();
    const given = { sql: 'select place_order($1)', parameters: ['order'] };
    const lost = connector.execute('select', given);
    lost.catch(() => undefined);
    const running =
      "select pid from pg_stat_activity where state = 'active' and query like 'select place_order%'";
    await untilTrue(async () => (await use.sandbox.query(running)).length > 0);
    use.sandbox.control.dropSessions();
    const error = await failure(lost, 'POSTGRESQL:OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN');
    expect(error.retryable).to.equal(false);
    const sleeping = connector.execute('select', { sql: 'select pg_sleep(20)' }, { timeoutMs: 100 });
    await failure(sleeping, 'POSTGRESQL:QUERY_TIMEOUT', 'OPERATION_TIMEOUT');
  });

  it('V-14 bytes that were transferred are refused, and nothing is sent', async () => {
    const connector = use.connect();
    const bytes = new Uint8Array(16);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    for (const operation of ['select', 'execute']) {
      const work = connector.execute(operation, { sql: 'select $1::bytea', parameters: [bytes] });
      await failure(work, 'POSTGRESQL:SETTINGS', 'OPERATION_INPUT_INVALID');
    }
    const session = await connector.provider.connect();
    const direct = session.all({ text: 'select $1::bytea', values: [bytes] }, { writes: true });
    await failure(direct, 'POSTGRESQL:SETTINGS', 'OPERATION_INPUT_INVALID');
    expect([session.sent, session.usable]).to.deep.equal([0, true]);
  });
});
