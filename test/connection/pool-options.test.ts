import { expect } from 'chai';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { inspect } from 'node:util';
import pg from 'pg';
import { systemClock, type Clock } from '#src/clock.js';
import { poolOptions, type ConnectorOptions } from '#src/connector.js';
import type { ErrorCode, ErrorType } from '#src/errors.js';
import { settle } from '../support/fake-clock.js';
import { failure } from '../support/failure.js';
import { recordingLogger } from '../support/log.js';
import { untilTrue, useSandbox } from '../support/use-sandbox.js';

describe('poolOptions with pg.Pool', function () {
  this.timeout(20_000);
  const use = useSandbox();
  const pools: pg.Pool[] = [];

  afterEach(() => Promise.all(pools.splice(0).map((pool) => pool.end())));

  function poolOf(config: pg.PoolConfig): pg.Pool {
    const pool = new pg.Pool(config);
    pools.push(pool);
    return pool;
  }

  const open = (
    changes: Record<string, string> = {},
    options: ConnectorOptions & pg.PoolConfig = {},
  ): pg.Pool => poolOf({ ...poolOptions(use.properties(changes), options), ...options });

  const outcomes = () => use.sandbox.control.logins().map(({ outcome }) => outcome);

  async function backends(): Promise<number> {
    const sql = 'select count(*)::int as count from pg_stat_activity where usename = $1';
    const [row] = await use.sandbox.query(sql, [use.sandbox.role]);
    return (row as { count: number }).count;
  }

  it('gives what pg takes, without I/O', () => {
    const options = poolOptions(use.properties());
    const { role, gate } = use.sandbox;
    expect(options).to.deep.include({ host: gate.host, port: gate.port, user: role, ssl: false });
    expect(Object.keys(options).sort()).to.deep.equal(
      ['application_name', 'database', 'enableChannelBinding', 'host', 'options', 'password', 'port'].concat([
        'ssl',
        'stream',
        'user',
      ]),
    );
    expect(use.sandbox.control.requests()).to.deep.equal([]);
  });

  it('throws at once what is wrong in the settings', () =>
    failure(() => poolOptions('Server=x'), 'POSTGRESQL:SETTINGS', 'PROPERTIES_MISSING'));

  it('throws for what the sessions of others cannot have behind a pooler in transaction mode', async () => {
    const transaction = { PoolerMode: 'TRANSACTION' };
    const asked = { Readonly: 'true', SearchPath: 'flows', StatementTimeout: '5', TimeZone: 'Asia/Tokyo' };
    const { message, properties } = await failure(
      () => poolOptions(use.properties({ ...transaction, ...asked })),
      'POSTGRESQL:SETTINGS',
      'PROPERTY_INVALID',
    );
    expect(properties).to.deep.equal(Object.keys(asked));
    expect(message).to.include(Object.keys(asked).join(', '));
    for (const [name, value] of Object.entries(asked)) {
      const error = await failure(
        () => poolOptions(use.properties({ ...transaction, [name]: value })),
        'POSTGRESQL:SETTINGS',
        'PROPERTY_INVALID',
      );
      expect(error.properties).to.deep.equal([name]);
      poolOptions(use.properties({ [name]: value }));
    }
    poolOptions(use.properties({ ...transaction, TimeZone: 'UTC', Readonly: 'false' }));
  });

  it('A-01 logs in with the token of the moment: statements, parameters, transactions', async () => {
    const pool = open({ ApplicationName: 'flows of others', TimeZone: 'Asia/Tokyo' });
    const { rows } = await pool.query(
      `select current_user as who, $1::int + 1 as sum, current_setting('application_name') as name, current_setting('TimeZone') as zone`,
      [41],
    );
    expect(rows).to.deep.equal([
      { who: use.sandbox.role, sum: 42, name: 'flows of others', zone: 'Asia/Tokyo' },
    ]);
    const client = await pool.connect();
    await client.query('create temporary table of_pool (n int)');
    await client.query('begin');
    await client.query('insert into of_pool values ($1)', [1]);
    await client.query('rollback');
    expect((await client.query('select * from of_pool')).rows).to.deep.equal([]);
    client.release();
  });

  it('leaves the form of results to those who read them', async () => {
    const { rows } = await open().query(`select interval '1 day 2 hours' as span, now() as at`);
    const [{ span, at }] = rows as [{ span: object; at: unknown }];
    expect({ ...span }).to.deep.equal({ days: 1, hours: 2 });
    expect(at).to.be.an.instanceOf(Date);
  });

  it('Readonly=true reaches the sessions of others', async () => {
    const error = await open({ Readonly: 'true' })
      .query('create table never (n int)')
      .catch((thrown: unknown) => thrown);
    expect(error).to.include({ code: '25006' });
  });

  it('50 callers at a cold pool of 20 share one token', async () => {
    const pool = open({}, { max: 20 });
    await Promise.all(Array.from({ length: 50 }, () => pool.query('select 1')));
    expect(use.sandbox.control.tokenRequestCount()).to.equal(1);
    expect(outcomes().length).to.be.within(1, 20);
  });

  it('a new connection gets a new token when the present one is near its end', async () => {
    const { clock, advance } = movableClock();
    use.sandbox.control.setTokenLifetime(100);
    const pool = open({}, { clock, maxUses: 1 });
    await pool.query('select 1');
    advance(99_000);
    await pool.query('select 1');
    expect(use.sandbox.control.tokenRequestCount()).to.equal(2);
    expect(outcomes()).to.deep.equal(['accepted', 'accepted']);
  });

  it('C-17 a token that was revoked is replaced, and the pool does not notice', async () => {
    const logger = recordingLogger();
    const pool = open({}, { maxUses: 1, logger });
    await pool.query('select 1');
    use.sandbox.control.revoke('all');
    expect((await pool.query('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    expect(use.sandbox.control.tokenRequestCount()).to.equal(2);
    expect(outcomes()).to.deep.equal(['accepted', 'refused', 'accepted']);
    expect(logger.lines.join('\n'))
      .to.match(/session\.opened/)
      .and.to.match(/token\.rejected/);
  });

  it('C-18 a fresh token that is refused is not replaced', async () => {
    use.sandbox.control.refuseLogins(5, {
      sqlState: '28000',
      message: 'The access token is not for this server.',
    });
    const error = await failure(open().query('select 1'), 'POSTGRESQL:INVALID_CREDENTIALS', 'TOKEN_REFUSED');
    expect(error.sqlState).to.equal('28000');
    expect(outcomes()).to.deep.equal(['refused']);
    expect(use.sandbox.control.tokenRequestCount()).to.equal(1);
  });

  it('C-18 a new token that is refused too is the end, with both sockets gone', async () => {
    const pool = open({}, { maxUses: 1 });
    await pool.query('select 1');
    use.sandbox.control.refuseLogins(5, { sqlState: '28000', message: 'The access token has expired.' });
    await failure(pool.query('select 1'), 'POSTGRESQL:INVALID_CREDENTIALS', 'TOKEN_REFUSED');
    expect(outcomes()).to.deep.equal(['accepted', 'refused', 'refused']);
    await untilTrue(async () => (await backends()) === 0);
  });

  const REFUSED: readonly (readonly [
    row: string,
    changes: Record<string, string>,
    config: pg.PoolConfig,
    type: ErrorType,
    code: ErrorCode,
    words: RegExp,
  ])[] = [
    [
      'A-12 an unknown role',
      { User: 'nobody_here' },
      {},
      'POSTGRESQL:INVALID_CREDENTIALS',
      'ROLE_UNKNOWN',
      /"nobody_here"/,
    ],
    [
      'A-12 a role that the pool names',
      {},
      { user: 'nobody' },
      'POSTGRESQL:INVALID_CREDENTIALS',
      'ROLE_UNKNOWN',
      /"nobody"/,
    ],
    [
      'A-11 an unknown database',
      { Database: 'nope' },
      {},
      'POSTGRESQL:INVALID_DATABASE',
      'DATABASE_UNKNOWN',
      /"nope"/,
    ],
    [
      'A-11 a database that the pool names',
      {},
      { database: 'other' },
      'POSTGRESQL:INVALID_DATABASE',
      'DATABASE_UNKNOWN',
      /"other"/,
    ],
  ];
  for (const [title, changes, config, type, code, words] of REFUSED) {
    it(`${title} is ${code}`, async () => {
      const error = await failure(open(changes, config).query('select 1'), type, code);
      expect(error.message).to.match(words);
    });
  }

  it('A-10 a token that cannot be had is the error of the connection, and no socket is opened', async () => {
    use.sandbox.control.expireSecret();
    const pool = open();
    for (let round = 0; round < 3; round += 1)
      await failure(pool.query('select 1'), 'POSTGRESQL:AUTHENTICATION', 'CLIENT_SECRET_EXPIRED');
    expect(use.sandbox.control.logins()).to.deep.equal([]);
    expect(pool.totalCount).to.equal(0);
  });

  it('A-10 a token that never comes ends the wait within Timeout', async () => {
    use.sandbox.control.addFaults({ action: 'hang', times: 'always' });
    const startedAt = performance.now();
    await failure(open({ Timeout: '1' }).query('select 1'), 'POSTGRESQL:CANNOT_REACH', 'AUTHORITY_TIMEOUT');
    expect(performance.now() - startedAt).to.be.below(1_900);
  });

  it("A-10 the pool's own limit ends the wait for a token, and the request with it", async () => {
    use.sandbox.control.addFaults({ action: 'hang', times: 'always' });
    const error = await open({}, { connectionTimeoutMillis: 200 })
      .query('select 1')
      .catch((thrown: unknown) => thrown);
    expect(error).to.include({ message: 'Connection terminated due to connection timeout' });
  });

  it('pool.end() while a connection opens ends that one too', async () => {
    use.sandbox.control.addFaults({ action: 'hang', times: 'always' });
    const client = new pg.Client(poolOptions(use.properties()));
    const connecting = client.connect().catch((thrown: unknown) => thrown);
    await settle();
    await client.end();
    expect(await connecting).to.include({ code: 'CANCELLED' });
  });

  it('N-03 N-06 sends nothing without TLS and to a server that is not verified', async () => {
    use.sandbox.control.setPlaintextOnly(true);
    await failure(open().query('select 1'), 'POSTGRESQL:TLS', 'SERVER_WITHOUT_TLS');
    use.sandbox.control.setPlaintextOnly(false);
    await use.sandbox.control.setCertificate('gate', 'wrong-host');
    await failure(open().query('select 1'), 'POSTGRESQL:TLS', 'SERVER_HOST_NAME_MISMATCH');
    expect(use.sandbox.control.logins().filter(({ passwordReceived }) => passwordReceived)).to.deep.equal([]);
  });

  for (const [row, kind] of [
    ['A-03', 'md5'],
    ['A-04', 'scram'],
    ['A-05', 'trust'],
    ['A-06', 'gss'],
  ] as const) {
    it(`${row} gives nothing to a server that answers with ${kind}`, async () => {
      use.sandbox.control.setAuthentication(kind);
      await failure(open().query('select 1'), 'POSTGRESQL:INVALID_CREDENTIALS', 'TOKEN_LOGIN_NOT_OFFERED');
      expect(use.sandbox.control.logins().filter(({ passwordReceived }) => passwordReceived)).to.deep.equal(
        [],
      );
    });
  }

  it('a connection that the server resets is an error of the pool, and the next one is well', async () => {
    const pool = open();
    const broken = new Promise((resolve) => pool.once('error', resolve));
    await pool.query('select 1');
    use.sandbox.control.dropSessions();
    expect(await broken).to.include({ code: 'CONNECTION_LOST' });
    expect((await pool.query('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
  });

  it("B-16 the driver's own cancel travels over verified TLS too", async () => {
    const options = poolOptions(use.properties());
    const client = await poolOf(options).connect();
    const query = new pg.Query('select pg_sleep(30)');
    const ended = new Promise((resolve) => query.once('error', resolve));
    client.query(query);
    await untilTrue(async () => {
      const sql = `select 1 from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'`;
      return (await use.sandbox.query(sql)).length === 1;
    });
    const canceller = new pg.Client(options) as unknown as { cancel: (of: unknown, query: unknown) => void };
    canceller.cancel(Object.assign(Object.create(client) as object, { activeQuery: query }), query);
    expect(await ended).to.include({ code: '57014' });
    expect(use.sandbox.control.cancels().map(({ encrypted }) => encrypted)).to.deep.equal([true]);
    client.release();
  });

  describe('a login by password', () => {
    it('is proved by SCRAM, and the driver does not keep the password', async () => {
      const { password, user } = use.sandbox.passwordRole;
      const pool = poolOf(poolOptions(use.properties({}, 'password')));
      const client = await pool.connect();
      expect((await client.query('select current_user as who')).rows).to.deep.equal([{ who: user }]);
      expect(inspect(client, { depth: 9, showHidden: true })).not.to.include(password);
      client.release();
    });

    for (const [code, changes] of [
      ['DATABASE_UNKNOWN', { Database: 'nope' }],
      ['PASSWORD_REFUSED', { Password: 'not this one' }],
    ] as const)
      it(`X-03 nor after a login that failed (${code})`, async () => {
        const properties = use.properties(changes, 'password');
        const client = new pg.Client(poolOptions(properties));
        const ended = new Promise((resolve) => client.once('end', resolve));
        expect(await client.connect().catch((error: unknown) => error)).to.include({ code });
        await ended;
        const seen = inspect(client, { depth: Infinity, showHidden: true });
        expect(seen).not.to.include(properties['Password']);
      });

    it('a wrong password is PASSWORD_REFUSED', () =>
      failure(
        poolOf(poolOptions(use.properties({ Password: 'not this one' }, 'password'))).query('select 1'),
        'POSTGRESQL:INVALID_CREDENTIALS',
        'PASSWORD_REFUSED',
      ));
  });

  describe('options that are not used as they are', () => {
    const servers: Server[] = [];
    const sockets: Socket[] = [];
    afterEach(() => {
      for (const socket of sockets.splice(0)) socket.destroy();
      for (const server of servers.splice(0)) server.close();
    });

    function listening(server: Server): Promise<string> {
      servers.push(server);
      server.on('connection', (socket) => sockets.push(socket.on('error', () => undefined)));
      return new Promise((resolve) => {
        server.listen(0, '127.0.0.1', () => resolve(String((server.address() as AddressInfo).port)));
      });
    }

    /** A server without TLS that asks everybody for a cleartext password. */
    async function asking(): Promise<{ port: string; received: () => string; closed: Promise<unknown> }> {
      let received = '';
      let onClosed: (value: unknown) => void = () => undefined;
      const closed = new Promise((resolve) => (onClosed = resolve));
      const server = createServer((socket) => {
        socket.on('close', onClosed);
        socket.on('data', (bytes) => {
          received += bytes.toString('latin1');
          socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]));
        });
      });
      return { port: await listening(server), received: () => received, closed };
    }

    for (const from of ['secret', 'password'] as const) {
      it(`A-02 without stream nothing is given to whoever asks, and the socket is ended (${from})`, async () => {
        const { port, received, closed } = await asking();
        const {
          host,
          port: own,
          user,
          database,
          password,
        } = poolOptions(use.properties({ Port: port }, from));
        const pool = poolOf({ host, port: own, user, database, password, ssl: false });
        await failure(pool.query('select 1'), 'POSTGRESQL:SETTINGS', 'POOL_OPTIONS_CHANGED');
        await closed;
        expect(received()).not.to.match(/eyJ/).and.not.to.include(use.sandbox.passwordRole.password);
        expect(use.sandbox.control.requests()).to.deep.equal([]);
      });
    }

    it('password gives nothing to somebody else', async () => {
      const { password } = poolOptions(use.properties());
      const error = await failure(password(), 'POSTGRESQL:SETTINGS', 'POOL_OPTIONS_CHANGED');
      expect(error.cure).to.include('tokenPassword');
    });

    it('TLS within TLS, another host and another port are refused in words', async () => {
      const options = poolOptions(use.properties());
      for (const changed of [{ ssl: true }, { host: 'elsewhere.example' }, { port: 1 }])
        await failure(
          poolOf({ ...options, ...changed }).query('select 1'),
          'POSTGRESQL:SETTINGS',
          'POOL_OPTIONS_CHANGED',
        );
      expect(use.sandbox.control.requests()).to.deep.equal([]);
    });

    it('a server that falls silent after TLS ends the login within Timeout', async () => {
      const certificate = await use.sandbox.serverCertificates.pem('valid');
      const server = createTlsServer({ ...certificate, ALPNProtocols: ['postgresql'] }, (stream) => {
        stream.on('error', () => undefined).resume();
      });
      const pool = open({ Port: await listening(server), SSLNegotiation: 'direct', Timeout: '1' });
      const error = await failure(pool.query('select 1'), 'POSTGRESQL:CANNOT_REACH', 'CONNECT_TIMEOUT');
      expect(error.message).to.include('the login');
      expect(pool.totalCount).to.equal(0);
    });

    it('a server that closes during the login is CONNECTION_LOST', async () => {
      const certificate = await use.sandbox.serverCertificates.pem('valid');
      const server = createTlsServer({ ...certificate, ALPNProtocols: ['postgresql'] }, (stream) => {
        stream.on('error', () => undefined).once('data', () => stream.end());
      });
      const pool = open({ Port: await listening(server), SSLNegotiation: 'direct' });
      await failure(pool.query('select 1'), 'POSTGRESQL:CONNECTIVITY', 'CONNECTION_LOST');
    });
  });

  it('X-03 shows no token and no secret, not even to who looks at hidden properties', async () => {
    const logger = recordingLogger();
    const options = poolOptions(use.properties(), { logger });
    const pool = poolOf(options);
    const client = await pool.connect();
    const seen = [options, pool, client]
      .map((value) => inspect(value, { depth: Infinity, showHidden: true }))
      .concat(JSON.stringify(options), logger.lines)
      .join('\n');
    client.release();
    expect(seen).not.to.include(use.sandbox.clientSecret);
    expect(seen).not.to.match(/eyJ[\w-]{10,}\./);
  });

  it('renews nothing while no connection is open, and goes on when one is', async () => {
    const { clock, advance, background } = movableClock();
    const pool = open({}, { clock, idleTimeoutMillis: 0 });
    await pool.query('select 1');
    expect(background.size, 'a planned renewal').to.equal(1);
    await pool.end();
    pools.splice(0);
    await untilTrue(async () => background.size === 0 && (await backends()) === 0);
    advance(1_000);
    const another = poolOf(poolOptions(use.properties(), { clock }));
    await another.query('select 1');
    expect(background.size).to.equal(1);
  });
});

/** The system's clock, which a test sets forward; it knows what runs in the background. */
function movableClock(): { clock: Clock; advance: (ms: number) => void; background: Set<unknown> } {
  let aheadMs = 0;
  const background = new Set<unknown>();
  return {
    advance: (ms) => (aheadMs += ms),
    background,
    clock: {
      ...systemClock,
      wallMs: () => systemClock.wallMs() + aheadMs,
      steadyMs: () => systemClock.steadyMs() + aheadMs,
      after(delayMs, task, options) {
        const cancel = systemClock.after(delayMs, task, options);
        if (options?.background === true) background.add(cancel);
        return () => {
          background.delete(cancel);
          cancel();
        };
      },
    },
  };
}
