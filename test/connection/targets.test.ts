import { expect } from 'chai';
import { createConnector, type Connector } from '#src/connector.js';
import type { ErrorCode, ErrorType } from '#src/errors.js';
import { FakeClock } from '../support/fake-clock.js';
import { startFakeServer, type FakeServer, type Step } from '../support/fake-server.js';
import { authentication, errorResponse, message, READY } from '../support/server-messages.js';
import { failure } from '../support/failure.js';
import { recordingLogger } from '../support/log.js';
import { startSocksProxy } from '../support/proxies.js';
import { startSshServer } from '../support/ssh-server.js';
import { untilTrue, useSandbox } from '../support/use-sandbox.js';

const parameter = (name: string, value: string): Buffer => message('S', Buffer.from(`${name}\0${value}\0`));
const onOff = (isOn: boolean): string => (isOn ? 'on' : 'off');

/** Longer than a startup packet, so that its arrival can be told from that. */
const PASSWORD = 'p'.repeat(1_000);

/** A server that asks for the password, says what it is and is ready. */
const serverOf = (isStandby: boolean, isReadOnly = isStandby): Step[] => [
  { expect: 40 },
  { send: authentication(3) },
  { expect: PASSWORD.length },
  {
    send: Buffer.concat([
      authentication(0),
      parameter('in_hot_standby', onOff(isStandby)),
      parameter('default_transaction_read_only', onOff(isReadOnly)),
      message('K', Buffer.alloc(8)),
      READY,
    ]),
  },
];
const PRIMARY = serverOf(false);
const STANDBY = serverOf(true);
const READ_ONLY = serverOf(false, true);
const refusing = (sqlState: string): Step[] => [{ expect: 40 }, { send: errorResponse(sqlState, 'no') }];

type Script = readonly Step[] | 'closed' | 'silent' | 'without TLS';

describe('several servers', function () {
  this.timeout(15_000);
  const use = useSandbox({ skipPostgres: true });
  const ending: (() => Promise<void>)[] = [];

  afterEach(async () => {
    await Promise.all(ending.splice(0).map((end) => end()));
  });

  /** Servers that follow these scripts, and a connector that knows them in this order. */
  async function cluster(scripts: readonly Script[], changes: Record<string, string> = {}) {
    const servers = await Promise.all(scripts.map(start));
    const clock = new FakeClock();
    const logger = recordingLogger();
    const connector = createConnector(
      {
        AuthScheme: 'Password',
        User: 'u',
        Password: PASSWORD,
        RequireAuth: 'PASSWORD',
        Server: servers.map(({ port }) => `localhost:${port}`).join(','),
        SSLCA: use.sandbox.authority.caFile,
        Timeout: '12',
        ...changes,
      },
      { clock, logger },
    );
    ending.push(() => connector.close());
    const names = servers.map(({ port }) => `localhost:${port}`);
    return { clock, connector, servers, logger, names };
  }

  async function start(script: Script): Promise<FakeServer> {
    const certificate = await use.sandbox.serverCertificates.pem('valid');
    const steps = typeof script === 'string' ? [] : script;
    // A space in answer to the SSLRequest would be a violation; nothing at all is silence.
    const server = await startFakeServer({
      certificate,
      steps,
      ...(script === 'silent' && { sslAnswer: Buffer.alloc(0) }),
      ...(script === 'without TLS' && { sslAnswer: Buffer.from('N') }),
    });
    if (script === 'closed') await server.close();
    else ending.push(() => server.close());
    return server;
  }

  /** Logs in and out again; how many logins each server has seen then. */
  async function visit(connector: Connector, servers: readonly FakeServer[]): Promise<number[]> {
    const session = await connector.provider.connect();
    await connector.provider.disconnect(session);
    return servers.map(({ received }) => received.length);
  }

  const SEARCHES: readonly (readonly [what: string, target: string, scripts: Script[], visits: number[]])[] =
    [
      ['the first that answers', 'any', [STANDBY, PRIMARY], [1, 0]],
      ['N-01 not the one that is down', 'any', ['closed', PRIMARY], [0, 1]],
      ['not the one without TLS', 'any', ['without TLS', PRIMARY], [0, 1]],
      ['not the one that has no room', 'any', [refusing('53300'), PRIMARY], [1, 1]],
      ['not the one that starts', 'any', [refusing('57P03'), PRIMARY], [1, 1]],
      [
        'not the one that ends the connection',
        'any',
        [[{ expect: 40 }, { close: 'reset' }], PRIMARY],
        [1, 1],
      ],
      ['the primary behind a standby', 'primary', [STANDBY, PRIMARY], [1, 1]],
      ['no primary that is read-only', 'primary', [READ_ONLY, STANDBY, PRIMARY], [1, 1, 1]],
      ['the standby behind a primary', 'standby', [PRIMARY, READ_ONLY, STANDBY], [1, 1, 1]],
      ['the standby that is preferred', 'prefer-standby', [PRIMARY, STANDBY], [1, 1]],
      ['a primary where there is no standby', 'prefer-standby', ['closed', PRIMARY, PRIMARY], [0, 1, 1]],
      ['a primary where the standby refuses us', 'prefer-standby', [PRIMARY, refusing('28P01')], [1, 1]],
    ];
  for (const [what, target, scripts, visits] of SEARCHES) {
    it(`${target} is ${what}`, async () => {
      const { connector, servers } = await cluster(scripts, { TargetSessionAttrs: target });
      expect(await visit(connector, servers)).to.deep.equal(visits);
    });
  }

  it('a server that does not fit is left in good order', async () => {
    const { connector, servers } = await cluster([STANDBY, PRIMARY], { TargetSessionAttrs: 'primary' });
    await visit(connector, servers);
    await untilTrue(() => servers[0]!.received[0]!.includes(Buffer.from([0x58, 0, 0, 0, 4])));
  });

  it('N-02 a silent server takes its share of Timeout and no more', async () => {
    const { connector, servers, clock } = await cluster(['silent', 'silent', PRIMARY]);
    const visited = visit(connector, servers);
    for (const shareMs of [12_000 / 3, 8_000 / 2]) {
      await untilTrue(() => clock.pendingTimers > 0);
      const startedAt = clock.steadyMs();
      clock.advance(shareMs - 1);
      expect(clock.pendingTimers).to.equal(1);
      clock.advance(1);
      expect(clock.steadyMs() - startedAt).to.equal(shareMs);
    }
    expect((await visited)[2]).to.equal(1);
  });

  it('N-01 a server that could not be used comes last for a minute', async () => {
    const { connector, servers, clock } = await cluster([refusing('57P03'), PRIMARY]);
    expect(await visit(connector, servers)).to.deep.equal([1, 1]);
    clock.advance(59_999);
    expect(await visit(connector, servers)).to.deep.equal([1, 2]);
    clock.advance(1);
    expect(await visit(connector, servers)).to.deep.equal([2, 3]);
  });

  it('the role that was found is remembered for ten seconds', async () => {
    const { connector, servers, clock } = await cluster([STANDBY, PRIMARY], {
      TargetSessionAttrs: 'primary',
    });
    expect(await visit(connector, servers)).to.deep.equal([1, 1]);
    clock.advance(9_999);
    expect(await visit(connector, servers)).to.deep.equal([1, 2]);
    clock.advance(10_000);
    expect(await visit(connector, servers)).to.deep.equal([2, 3]);
  });

  it('N-18 it is forgotten when a connection is lost, so that the next login looks again', async () => {
    const { connector, servers } = await cluster([STANDBY, PRIMARY, PRIMARY], {
      TargetSessionAttrs: 'primary',
    });
    const held = await connector.provider.connect();
    expect(servers.map(({ received }) => received.length)).to.deep.equal([1, 1, 0]);
    await servers[1]!.close();
    await untilTrue(() => !held.usable);
    expect(await visit(connector, servers)).to.deep.equal([2, 1, 1]);
  });

  const FINAL: readonly (readonly [sqlState: string, type: ErrorType, code: ErrorCode])[] = [
    ['28P01', 'POSTGRESQL:INVALID_CREDENTIALS', 'PASSWORD_REFUSED'],
    ['28000', 'POSTGRESQL:INVALID_CREDENTIALS', 'PASSWORD_REFUSED'],
    ['3D000', 'POSTGRESQL:INVALID_DATABASE', 'DATABASE_UNKNOWN'],
    ['22023', 'POSTGRESQL:SETTINGS', 'PROPERTY_INVALID'],
  ];
  for (const [sqlState, type, code] of FINAL) {
    it(`A-11 ${sqlState} ends the search: no other server is told who we are`, async () => {
      const { connector, servers } = await cluster([refusing(sqlState), PRIMARY]);
      await failure(connector.provider.connect(), type, code);
      expect(servers[1]!.received).to.have.length(0);
    });
  }

  const wayThrough = (port: number): Record<string, Record<string, string>> => ({
    FIREWALL_AUTHENTICATION_FAILED: {
      ...{ FirewallType: 'SOCKS5', FirewallServer: '127.0.0.1', FirewallPort: `${port}` },
      ...{ FirewallUser: 'u', FirewallPassword: 'wrong' },
    },
    FIREWALL_UNREACHABLE: { FirewallType: 'TUNNEL', FirewallServer: '127.0.0.1', FirewallPort: '1' },
    SSH_UNREACHABLE: {
      ...{ UseSSH: 'true', SSHServer: '127.0.0.1', SSHPort: '1', SSHUser: 'u', SSHPassword: 'p' },
      SSHServerFingerprint: `SHA256:${'A'.repeat(43)}`,
    },
  });
  for (const code of Object.keys(wayThrough(1)) as ErrorCode[])
    it(`A-11 ${code} ends the search: the way is the same to every server`, async () => {
      const proxy = await startSocksProxy({ credentials: 'u:right' });
      ending.push(() => proxy.close());
      const { connector, logger } = await cluster([PRIMARY, PRIMARY], wayThrough(proxy.port)[code]);
      await failure(connector.provider.connect(), 'POSTGRESQL:CANNOT_REACH', code);
      expect(logger.lines.filter((line) => line.includes('server.passed'))).to.deep.equal([]);
    });

  it('A-11 a wrong SSH password is tried once, however many servers there are', async () => {
    const ssh = await startSshServer({ user: 'u', password: 'right' });
    ending.push(() => ssh.close());
    const { connector } = await cluster([PRIMARY, PRIMARY], {
      ...{
        UseSSH: 'true',
        SSHServer: '127.0.0.1',
        SSHPort: `${ssh.port}`,
        SSHUser: 'u',
        SSHPassword: 'wrong',
      },
      SSHServerFingerprint: ssh.fingerprint,
    });
    await failure(connector.provider.connect(), 'POSTGRESQL:CANNOT_REACH', 'SSH_AUTHENTICATION_FAILED');
    expect(ssh.attempts).to.deep.equal(['password']);
  });

  it('names every server with its reason where none can be used', async () => {
    const { connector, names, logger } = await cluster(['closed', STANDBY], {
      TargetSessionAttrs: 'primary',
    });
    const error = await failure(connector.provider.connect(), 'POSTGRESQL:CONNECTIVITY', 'NO_SERVER_FITS');
    expect(error.message).to.equal(
      `None of the servers can be used as primary: ${names[0]} (SERVER_UNREACHABLE), ${names[1]} (it is a standby).`,
    );
    expect(error.retryable).to.equal(true);
    expect(error.cause).to.include({ code: 'SERVER_UNREACHABLE' });
    const passed = logger.lines.filter((line) => line.includes('server.passed'));
    expect(passed.map((line) => names.findIndex((name) => line.includes(name)))).to.deep.equal([0, 1]);
  });

  it('does not call for another try where only somebody can help', async () => {
    const { connector } = await cluster(['without TLS', 'without TLS']);
    const error = await failure(connector.provider.connect(), 'POSTGRESQL:CONNECTIVITY', 'NO_SERVER_FITS');
    expect(error.retryable).to.equal(false);
  });

  it('B-17 a caller who leaves ends the search at once', async () => {
    const { connector, servers, clock } = await cluster(['silent', PRIMARY]);
    const leaving = new AbortController();
    const outcome = connector.provider.connect({ signal: leaving.signal });
    await untilTrue(() => clock.pendingTimers > 0);
    leaving.abort();
    await failure(outcome, 'POSTGRESQL:CANCELLED', 'CANCELLED');
    expect(clock.pendingTimers).to.equal(0);
    expect(servers[1]!.received).to.have.length(0);
  });
});
