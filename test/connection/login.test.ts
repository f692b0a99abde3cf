import { expect } from 'chai';
import { inspect } from 'node:util';
import type { Connector } from '#src/connector.js';
import type { ErrorCode, ErrorType } from '#src/errors.js';
import { failure } from '../support/failure.js';
import { startFakeServer, type Step } from '../support/fake-server.js';
import { recordingLogger } from '../support/log.js';
import { authentication, errorResponse, message, READY } from '../support/server-messages.js';
import { untilTrue, useSandbox } from '../support/use-sandbox.js';

const WHO = { sql: 'select current_user as who' };

describe('login', function () {
  this.timeout(15_000);
  const use = useSandbox();
  const { connect } = use;

  const passwordsReceived = () =>
    use.sandbox.control.logins().filter(({ passwordReceived }) => passwordReceived).length;

  it('A-01 gives the token to a cleartext request over verified TLS', async () => {
    const { rows } = await connect().execute('select', WHO);
    expect(rows).to.deep.equal([{ who: use.sandbox.role }]);
  });

  const FOREIGN: readonly (readonly [
    row: string,
    kind: 'md5' | 'scram' | 'trust' | 'gss' | 'sspi',
    words: RegExp,
  ])[] = [
    ['A-03', 'md5', /stored password/],
    ['A-04', 'scram', /stored password/],
    ['A-05', 'trust', /anybody/],
    ['A-06', 'gss', /Kerberos/],
    ['A-06', 'sspi', /Windows/],
  ];
  for (const [row, kind, words] of FOREIGN) {
    it(`${row} gives nothing to a server that answers with ${kind}`, async () => {
      use.sandbox.control.setAuthentication(kind);
      const error = await failure(
        connect().execute('select', WHO),
        'POSTGRESQL:INVALID_CREDENTIALS',
        'TOKEN_LOGIN_NOT_OFFERED',
      );
      expect(error.message).to.match(words);
      expect(passwordsReceived()).to.equal(0);
    });
  }

  it('A-02 N-03 sends nothing to a server without TLS', async () => {
    use.sandbox.control.setPlaintextOnly(true);
    await failure(connect().execute('select', WHO), 'POSTGRESQL:TLS', 'SERVER_WITHOUT_TLS');
    expect(passwordsReceived()).to.equal(0);
  });

  const CERTIFICATES: readonly (readonly [
    'wrong-host' | 'expired' | 'self-signed' | 'unknown-ca',
    ErrorCode,
  ])[] = [
    ['wrong-host', 'SERVER_HOST_NAME_MISMATCH'],
    ['expired', 'SERVER_CERTIFICATE_EXPIRED'],
    ['self-signed', 'SERVER_CERTIFICATE_UNTRUSTED'],
    ['unknown-ca', 'SERVER_CERTIFICATE_UNTRUSTED'],
  ];
  for (const [kind, code] of CERTIFICATES) {
    it(`N-06 sends nothing to a server whose certificate is ${kind}`, async () => {
      await use.sandbox.control.setCertificate('gate', kind);
      await failure(connect().execute('select', WHO), 'POSTGRESQL:TLS', code);
      expect(passwordsReceived()).to.equal(0);
    });
  }

  it('P-26 P-27 is not weakened or changed by the environment', async () => {
    const hostile = {
      PGHOST: 'evil.example',
      PGUSER: 'postgres',
      PGPASSWORD: 'x',
      PGSSLMODE: 'no-verify',
      PGOPTIONS: '-c search_path=evil',
      PGAPPNAME: 'evil',
      PGREPLICATION: 'database',
      PGSSLNEGOTIATION: 'direct',
      PGCONNECT_TIMEOUT: '1',
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
    };
    const before = { ...process.env };
    process.removeAllListeners('warning');
    Object.assign(process.env, hostile);
    try {
      const { rows } = await connect().execute('select', {
        sql: `select current_user as who, current_setting('search_path') as path, current_setting('application_name') as name`,
      });
      expect(rows).to.deep.equal([{ who: use.sandbox.role, path: '"$user", public', name: 'pg-entra' }]);
      await use.sandbox.control.setCertificate('gate', 'self-signed');
      await failure(connect().execute('select', WHO), 'POSTGRESQL:TLS', 'SERVER_CERTIFICATE_UNTRUSTED');
      await use.sandbox.control.setCertificate('authority', 'self-signed');
      await failure(connect().execute('select', WHO), 'POSTGRESQL:TLS', 'AUTHORITY_NOT_VERIFIED');
    } finally {
      for (const name of Object.keys(hostile)) {
        if (before[name] === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = before[name];
      }
    }
  });

  const REFUSED: readonly (readonly [
    row: string,
    changes: Record<string, string>,
    type: ErrorType,
    code: ErrorCode,
  ])[] = [
    ['A-12 an unknown role', { User: 'nobody_here' }, 'POSTGRESQL:INVALID_CREDENTIALS', 'ROLE_UNKNOWN'],
    ['a role in the wrong case', { User: 'FLOW_READER' }, 'POSTGRESQL:INVALID_CREDENTIALS', 'ROLE_UNKNOWN'],
    [
      'a role without an Entra mapping',
      { User: 'postgres' },
      'POSTGRESQL:INVALID_CREDENTIALS',
      'ROLE_UNKNOWN',
    ],
    ['A-11 an unknown database', { Database: 'nope' }, 'POSTGRESQL:INVALID_DATABASE', 'DATABASE_UNKNOWN'],
  ];
  for (const [title, changes, type, code] of REFUSED) {
    it(`${title} is ${code}, with a single token request`, async () => {
      const error = await failure(connect(changes).execute('select', WHO), type, code);
      expect(error.sqlState).to.match(/^(28000|28P01|3D000)$/);
      expect(use.sandbox.control.tokenRequestCount()).to.equal(1);
    });
  }

  it('A-15 finds a role whose name has blanks, quotes, @ and accents, exactly', async () => {
    const role = 'Flüsse "und" Rôles@contoso';
    const app = await use.sandbox.addApplication({ displayName: role, role });
    const changes = { User: role, OAuthClientId: app.clientId, OAuthClientSecret: app.clientSecret };
    expect((await connect(changes).execute('select', WHO)).rows).to.deep.equal([{ who: role }]);
  });

  it('C-17 replaces a revoked token once and logs in again without an error', async () => {
    const connector = connect({ PoolMaxSize: '1', ConnectionLifeTime: '0' });
    await connector.execute('select', WHO);
    use.sandbox.control.revoke('all');
    await use.sandbox.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [
      use.sandbox.role,
    ]);
    await sessionsGone(connector);
    await connector.execute('select', WHO);
    expect(use.sandbox.control.tokenRequestCount()).to.equal(2);
    expect(use.sandbox.control.logins().map(({ outcome }) => outcome)).to.deep.equal([
      'accepted',
      'refused',
      'accepted',
    ]);
  });

  it('C-19 100 logins refused at once lead to one new token', async () => {
    const connector = connect({ PoolMaxSize: '100' });
    await connector.execute('select', WHO);
    use.sandbox.control.revoke('all');
    const held = Array.from({ length: 100 }, () => connector.provider.connect());
    const sessions = await Promise.all(held);
    expect(use.sandbox.control.tokenRequestCount()).to.equal(2);
    await Promise.all(sessions.map((session) => connector.provider.disconnect(session)));
  });

  it('C-18 a fresh token that is refused is not replaced', async () => {
    use.sandbox.control.refuseLogins(5, {
      sqlState: '28000',
      message: 'The access token has expired. Acquire a new token and try again.',
    });
    await failure(connect().execute('select', WHO), 'POSTGRESQL:INVALID_CREDENTIALS', 'TOKEN_REFUSED');
    expect(use.sandbox.control.tokenRequestCount()).to.equal(1);
    expect(use.sandbox.control.logins()).to.have.length(1);
  });

  it('a firewall rule is told from a refused token', async () => {
    use.sandbox.control.refuseLogins(1, {
      sqlState: '28000',
      message: 'no pg_hba.conf entry for host "192.0.2.1", user "x", database "y", SSL encryption',
    });
    await failure(connect().execute('select', WHO), 'POSTGRESQL:INVALID_CREDENTIALS', 'LOGIN_REFUSED');
  });

  it('A-13 an open session outlives its token', async () => {
    const connector = connect();
    await connector.execute('select', WHO);
    use.sandbox.control.moveClock(7_200);
    await connector.execute('select', WHO);
    expect(use.sandbox.control.logins()).to.have.length(1);
  });

  it('N-20 opens 200 sessions at once with one discovery and one token request', async () => {
    const connector = connect();
    const sessions = await Promise.all(Array.from({ length: 200 }, () => connector.provider.connect()));
    expect(use.sandbox.control.requests().map(({ kind }) => kind)).to.deep.equal(['discovery', 'token']);
    expect(await connector.provider.validate(sessions[199]!)).to.deep.equal({ valid: true });
    await Promise.all(sessions.map((session) => connector.provider.disconnect(session)));
    await connector.provider.disconnect(sessions[0]!);
    const verdict = await connector.provider.validate(sessions[0]!);
    expect(verdict).to.have.nested.property('error.code', 'CONNECTOR_CLOSED');
  });

  it('B-03 a session that ends while idle is replaced, and the process lives', async () => {
    const connector = connect();
    await connector.execute('select', WHO);
    await use.sandbox.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [
      use.sandbox.role,
    ]);
    await sessionsGone(connector);
    expect((await connector.execute('select', WHO)).rows).to.have.length(1);
  });

  it('X-03 shows no token and no secret in any object that it hands out', async () => {
    const logger = recordingLogger();
    const connector = connect({}, { logger });
    await connector.execute('select', WHO);
    const session = await connector.provider.connect();
    const error = await failure(
      connector.execute('select', { sql: 'x' }),
      'POSTGRESQL:BAD_SQL_SYNTAX',
      'SYNTAX_ERROR',
    );
    const seen = [connector, session, error, connector.health(), connector.settings]
      .flatMap((value) => [inspect(value, { depth: Infinity, showHidden: true }), JSON.stringify(value)])
      .concat(logger.lines)
      .join('\n');
    await connector.provider.disconnect(session);
    expect(seen).not.to.include(use.sandbox.clientSecret);
    expect(seen).not.to.match(/eyJ[\w-]{10,}\./);
  });

  describe('with a server that follows a script', () => {
    async function scripted(steps: readonly Step[], sslAnswer?: Buffer) {
      const certificate = await use.sandbox.serverCertificates.pem('valid');
      const server = await startFakeServer({ certificate, steps, ...(sslAnswer && { sslAnswer }) });
      const connector = connect({ Port: String(server.port), Timeout: '1' });
      return { server, outcome: connector.execute('select', WHO), close: () => server.close() };
    }

    /** Messages of type `p` (PasswordMessage) among what a client sent after its startup packet. */
    function passwordMessages(sent: Buffer): number {
      let count = 0;
      for (let at = sent.readInt32BE(0); at < sent.length; at += 1 + sent.readInt32BE(at + 1))
        if (sent.toString('latin1', at, at + 1) === 'p') count += 1;
      return count;
    }

    for (const [when, steps] of [
      ['with the end of the login', [{ send: Buffer.concat([authentication(0), READY, authentication(3)]) }]],
      [
        'in answer to a statement',
        [{ send: Buffer.concat([authentication(0), READY]) }, { expect: 1_500 }, { send: authentication(3) }],
      ],
      [
        'by MD5 in answer to a statement',
        [
          { send: Buffer.concat([authentication(0), READY]) },
          { expect: 1_500 },
          { send: authentication(5, Buffer.alloc(4)) },
        ],
      ],
    ] as readonly (readonly [string, readonly Step[]])[]) {
      it(`A-08 answers no request for a password after the login: ${when}`, async () => {
        const { server, outcome, close } = await scripted([
          { expect: 40 },
          { send: authentication(3) },
          { expect: 400 },
          ...steps,
          { stay: true },
        ]);
        const error = await outcome.catch((thrown: unknown) => thrown);
        await close();
        expect((error as { code: string }).code).to.equal('PROTOCOL_VIOLATION');
        expect(server.received.map(passwordMessages)).to.deep.equal([1]);
      });
    }

    const STARTUP = 40;
    const HOSTILE: readonly (readonly [
      title: string,
      steps: readonly Step[],
      type: ErrorType,
      code: ErrorCode,
    ])[] = [
      [
        'A-06 an unknown authentication code',
        [{ expect: STARTUP }, { send: authentication(99) }],
        'POSTGRESQL:PROTOCOL_VIOLATION',
        'PROTOCOL_VIOLATION',
      ],
      [
        'A-05 acceptance without a question',
        [{ expect: STARTUP }, { send: Buffer.concat([authentication(0), READY]) }],
        'POSTGRESQL:INVALID_CREDENTIALS',
        'TOKEN_LOGIN_NOT_OFFERED',
      ],
      [
        'A-08 readiness without a login',
        [{ expect: STARTUP }, { send: READY }],
        'POSTGRESQL:PROTOCOL_VIOLATION',
        'PROTOCOL_VIOLATION',
      ],
      [
        'a second question after the token',
        [{ expect: STARTUP }, { send: authentication(3) }, { expect: 400 }, { send: authentication(3) }],
        'POSTGRESQL:PROTOCOL_VIOLATION',
        'PROTOCOL_VIOLATION',
      ],
      [
        'MD5 after the token',
        [
          { expect: STARTUP },
          { send: authentication(3) },
          { expect: 400 },
          { send: authentication(5, Buffer.alloc(4)) },
        ],
        'POSTGRESQL:PROTOCOL_VIOLATION',
        'PROTOCOL_VIOLATION',
      ],
      [
        'B-25 a length of 4 GB',
        [{ expect: STARTUP }, { send: Buffer.from([0x52, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 3]) }],
        'POSTGRESQL:PROTOCOL_VIOLATION',
        'PROTOCOL_VIOLATION',
      ],
      [
        'B-25 a length of 3',
        [{ expect: STARTUP }, { send: Buffer.from([0x52, 0, 0, 0, 3, 0, 0, 0, 3]) }],
        'POSTGRESQL:PROTOCOL_VIOLATION',
        'PROTOCOL_VIOLATION',
      ],
      [
        'B-25 a message of 1 MB before the login',
        [{ expect: STARTUP }, { send: message('N', Buffer.alloc(1_048_576)) }],
        'POSTGRESQL:PROTOCOL_VIOLATION',
        'PROTOCOL_VIOLATION',
      ],
      [
        'B-24 an error without its terminator',
        [{ expect: STARTUP }, { send: message('E', Buffer.from('SFATAL')) }],
        'POSTGRESQL:PROTOCOL_VIOLATION',
        'PROTOCOL_VIOLATION',
      ],
      [
        'HTTP in place of PostgreSQL',
        [{ expect: STARTUP }, { send: Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n') }],
        'POSTGRESQL:PROTOCOL_VIOLATION',
        'PROTOCOL_VIOLATION',
      ],
      [
        'data rows during the login',
        [{ expect: STARTUP }, { send: message('D', Buffer.from([0, 0])) }],
        'POSTGRESQL:PROTOCOL_VIOLATION',
        'PROTOCOL_VIOLATION',
      ],
      [
        'N-14 an end during the login',
        [{ expect: STARTUP }, { close: 'end' }],
        'POSTGRESQL:CONNECTIVITY',
        'CONNECTION_LOST',
      ],
      [
        'N-14 a reset during the login',
        [{ expect: STARTUP }, { close: 'reset' }],
        'POSTGRESQL:CONNECTIVITY',
        'CONNECTION_LOST',
      ],
      ['N-02 silence during the login', [{ stay: true }], 'POSTGRESQL:CANNOT_REACH', 'CONNECT_TIMEOUT'],
      [
        'A-11 too many connections',
        [{ expect: STARTUP }, { send: errorResponse('53300', 'sorry, too many clients already') }],
        'POSTGRESQL:CONNECTIVITY',
        'SERVER_BUSY',
      ],
      [
        'A-11 B-02 a server that starts',
        [{ expect: STARTUP }, { send: errorResponse('57P03', 'the database system is starting up') }],
        'POSTGRESQL:CONNECTIVITY',
        'SERVER_STARTING',
      ],
    ];
    for (const [title, steps, type, code] of HOSTILE) {
      it(`${title} is ${code}`, async () => {
        const { server, outcome, close } = await scripted(steps);
        await failure(outcome, type, code);
        if (!steps.some((step) => 'send' in step && authentication(3).equals(step.send as Buffer))) {
          expect(server.received.map(String).join('')).not.to.include('eyJ');
        }
        await close();
      });
    }

    const ANSWERS: readonly (readonly [title: string, answer: Buffer, type: ErrorType, code: ErrorCode])[] = [
      [
        'N-04 text stuffed behind the S',
        Buffer.from('SR'),
        'POSTGRESQL:PROTOCOL_VIOLATION',
        'PROTOCOL_VIOLATION',
      ],
      ['N-05 an error', Buffer.from('E'), 'POSTGRESQL:PROTOCOL_VIOLATION', 'PROTOCOL_VIOLATION'],
      ['another byte', Buffer.from('X'), 'POSTGRESQL:PROTOCOL_VIOLATION', 'PROTOCOL_VIOLATION'],
      ['N-02 silence', Buffer.alloc(0), 'POSTGRESQL:CANNOT_REACH', 'CONNECT_TIMEOUT'],
    ];
    for (const [title, answer, type, code] of ANSWERS) {
      it(`${title} in answer to the SSLRequest is ${code}`, async () => {
        const { outcome, close } = await scripted([], answer);
        await failure(outcome, type, code);
        await close();
      });
    }
  });

  it('N-01 a port where nobody listens is SERVER_UNREACHABLE, a name nobody knows SERVER_NAME_UNKNOWN', async () => {
    await failure(
      connect({ Port: '1' }).execute('select', WHO),
      'POSTGRESQL:CANNOT_REACH',
      'SERVER_UNREACHABLE',
    );
    await failure(
      connect({ Server: 'no-such-host.invalid' }).execute('select', WHO),
      'POSTGRESQL:CANNOT_REACH',
      'SERVER_NAME_UNKNOWN',
    );
  });
});

/** Resolves when no idle session of `connector` is believed to be alive. */
function sessionsGone(connector: Connector): Promise<void> {
  return untilTrue(() => connector.health().pool.idle === 0);
}
