import { expect } from 'chai';
import { type ERRORS } from '#src/error-table.js';
import {
  isFatal,
  isLoginRefusal,
  isServerError,
  loginError,
  statementError,
} from '#src/connection/pg-error.js';
import type { ServerError } from '#src/connection/pg-error.js';
import { failure } from '../support/failure.js';
import { untilTrue, useConnector, useSandbox } from '../support/use-sandbox.js';

/** An ErrorResponse as the driver gives it. */
function serverError(code: string, message = 'what the server says', fields: object = {}): ServerError {
  return Object.assign(new Error(message), { severity: 'ERROR', code, ...fields });
}

/**
 * Every class of PostgreSQL 18 (documentation, appendix A), by conditions of it: what a flow gets
 * (type and code, the code alone where the type has its name), and whether it may try again.
 */
const CLASSES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '00': { '00000': 'QUERY_EXECUTION' },
  '01': { '01000': 'QUERY_EXECUTION', '01P01': 'QUERY_EXECUTION' },
  '02': { '02000': 'QUERY_EXECUTION' },
  '03': { '03000': 'QUERY_EXECUTION' },
  '08': {
    '08000': 'CONNECTIVITY SERVER_CONNECTION_FAILED, again',
    '08001': 'CONNECTIVITY SERVER_CONNECTION_FAILED, again',
    '08003': 'CONNECTIVITY SERVER_CONNECTION_FAILED, again',
    '08004': 'CONNECTIVITY SERVER_CONNECTION_FAILED, again',
    '08006': 'CONNECTIVITY SERVER_CONNECTION_FAILED, again',
    '08007': 'OUTCOME_UNKNOWN',
    '08P01': 'BAD_SQL_SYNTAX PARAMETERS_MISMATCH',
  },
  '09': { '09000': 'QUERY_EXECUTION ROUTINE_FAILED' },
  '0A': { '0A000': 'BAD_SQL_SYNTAX FEATURE_NOT_SUPPORTED' },
  '0B': { '0B000': 'QUERY_EXECUTION TRANSACTION_STATE' },
  '0F': { '0F000': 'QUERY_EXECUTION' },
  '0L': { '0L000': 'PERMISSION_DENIED', '0LP01': 'PERMISSION_DENIED' },
  '0P': { '0P000': 'BAD_SQL_SYNTAX OBJECT_UNKNOWN' },
  '0Z': { '0Z002': 'QUERY_EXECUTION ROUTINE_FAILED' },
  '10': { '10608': 'DATA_ERROR' },
  '20': { '20000': 'QUERY_EXECUTION ROUTINE_FAILED' },
  '21': { '21000': 'DATA_ERROR' },
  '22': { '22000': 'DATA_ERROR', '22012': 'DATA_ERROR', '22P02': 'DATA_ERROR', '2203G': 'DATA_ERROR' },
  '23': {
    '23502': 'CONSTRAINT_VIOLATION',
    '23503': 'CONSTRAINT_VIOLATION',
    '23505': 'CONSTRAINT_VIOLATION',
    '23514': 'CONSTRAINT_VIOLATION',
    '23P01': 'CONSTRAINT_VIOLATION',
  },
  '24': { '24000': 'QUERY_EXECUTION TRANSACTION_STATE' },
  '25': {
    '25001': 'QUERY_EXECUTION TRANSACTION_STATE',
    '25006': 'QUERY_EXECUTION READ_ONLY',
    '25P01': 'QUERY_EXECUTION TRANSACTION_STATE',
    '25P02': 'QUERY_EXECUTION TRANSACTION_ABORTED',
    '25P03': 'QUERY_TIMEOUT TRANSACTION_TIMEOUT, again',
    '25P04': 'QUERY_TIMEOUT TRANSACTION_TIMEOUT, again',
  },
  '26': { '26000': 'QUERY_EXECUTION PREPARED_STATEMENT_LOST, again' },
  '27': { '27000': 'CONSTRAINT_VIOLATION' },
  '28': { '28000': 'PERMISSION_DENIED', '28P01': 'PERMISSION_DENIED' },
  '2B': { '2BP01': 'QUERY_EXECUTION OBJECT_IN_USE' },
  '2D': { '2D000': 'QUERY_EXECUTION TRANSACTION_STATE' },
  '2F': { '2F005': 'QUERY_EXECUTION ROUTINE_FAILED' },
  '34': { '34000': 'QUERY_EXECUTION TRANSACTION_STATE' },
  '38': { '38001': 'QUERY_EXECUTION ROUTINE_FAILED' },
  '39': { '39P01': 'QUERY_EXECUTION ROUTINE_FAILED' },
  '3B': { '3B001': 'QUERY_EXECUTION TRANSACTION_STATE' },
  '3D': { '3D000': 'BAD_SQL_SYNTAX OBJECT_UNKNOWN' },
  '3F': { '3F000': 'BAD_SQL_SYNTAX OBJECT_UNKNOWN' },
  '40': {
    '40000': 'SERIALIZATION_FAILURE, again',
    '40001': 'SERIALIZATION_FAILURE, again',
    '40002': 'CONSTRAINT_VIOLATION',
    '40003': 'OUTCOME_UNKNOWN',
    '40P01': 'SERIALIZATION_FAILURE DEADLOCK, again',
  },
  '42': {
    '42000': 'BAD_SQL_SYNTAX SYNTAX_ERROR',
    '42501': 'PERMISSION_DENIED',
    '42601': 'BAD_SQL_SYNTAX SYNTAX_ERROR',
    '42703': 'BAD_SQL_SYNTAX COLUMN_UNKNOWN',
    '42704': 'BAD_SQL_SYNTAX OBJECT_UNKNOWN',
    '42710': 'BAD_SQL_SYNTAX OBJECT_EXISTS',
    '42723': 'BAD_SQL_SYNTAX OBJECT_EXISTS',
    '42804': 'BAD_SQL_SYNTAX TYPE_MISMATCH',
    '42846': 'BAD_SQL_SYNTAX TYPE_MISMATCH',
    '42883': 'BAD_SQL_SYNTAX OBJECT_UNKNOWN',
    '42P01': 'BAD_SQL_SYNTAX TABLE_UNKNOWN',
    '42P02': 'BAD_SQL_SYNTAX PARAMETERS_MISMATCH',
    '42P04': 'BAD_SQL_SYNTAX OBJECT_EXISTS',
    '42P05': 'QUERY_EXECUTION PREPARED_STATEMENT_LOST, again',
    '42P06': 'BAD_SQL_SYNTAX OBJECT_EXISTS',
    '42P07': 'BAD_SQL_SYNTAX OBJECT_EXISTS',
    '42P18': 'BAD_SQL_SYNTAX TYPE_MISMATCH',
  },
  '44': { '44000': 'CONSTRAINT_VIOLATION' },
  '53': {
    '53100': 'QUERY_EXECUTION SERVER_EXHAUSTED, again',
    '53200': 'QUERY_EXECUTION SERVER_EXHAUSTED, again',
    '53300': 'CONNECTIVITY SERVER_BUSY, again',
    '53400': 'QUERY_EXECUTION SERVER_EXHAUSTED, again',
  },
  '54': { '54001': 'QUERY_EXECUTION LIMIT_EXCEEDED', '54011': 'QUERY_EXECUTION LIMIT_EXCEEDED' },
  '55': {
    '55000': 'QUERY_EXECUTION OBJECT_NOT_READY',
    '55006': 'QUERY_EXECUTION OBJECT_IN_USE',
    '55P03': 'QUERY_TIMEOUT LOCK_TIMEOUT, again',
  },
  '57': {
    '57000': 'QUERY_TIMEOUT STATEMENT_CANCELLED, again',
    '57014': 'QUERY_TIMEOUT STATEMENT_CANCELLED, again',
    '57P01': 'CONNECTIVITY SERVER_STARTING, again',
    '57P02': 'CONNECTIVITY SERVER_STARTING, again',
    '57P03': 'CONNECTIVITY SERVER_STARTING, again',
    '57P04': 'INVALID_DATABASE DATABASE_DROPPED',
    '57P05': 'CONNECTIVITY SESSION_IDLE_TIMEOUT, again',
  },
  '58': { '58000': 'QUERY_EXECUTION SERVER_FAULT', '58030': 'QUERY_EXECUTION SERVER_FAULT' },
  // Up to PostgreSQL 16.
  '72': { '72000': 'SERIALIZATION_FAILURE, again' },
  F0: { F0000: 'QUERY_EXECUTION SERVER_FAULT' },
  HV: { HV000: 'QUERY_EXECUTION FOREIGN_DATA_FAILED', HV00N: 'QUERY_EXECUTION FOREIGN_DATA_FAILED' },
  P0: { P0001: 'QUERY_EXECUTION ROUTINE_FAILED', P0004: 'QUERY_EXECUTION ROUTINE_FAILED' },
  XX: {
    XX000: 'QUERY_EXECUTION SERVER_FAULT',
    XX001: 'QUERY_EXECUTION DATA_CORRUPTED',
    XX002: 'QUERY_EXECUTION DATA_CORRUPTED',
  },
};

/** What `error` is to a flow, as {@link CLASSES} writes it. */
function outline({ type, code, retryable }: ReturnType<typeof statementError>): string {
  const name = type.replace('POSTGRESQL:', '');
  return `${name === code ? code : `${name} ${code}`}${retryable ? ', again' : ''}`;
}

describe('the table of SQLSTATEs', () => {
  for (const [className, conditions] of Object.entries(CLASSES)) {
    it(`A-11 B-13 knows class ${className}`, () => {
      for (const [sqlState, expected] of Object.entries(conditions)) {
        const error = statementError(serverError(sqlState));
        expect(outline(error), sqlState).to.equal(expected);
        expect(error.sqlState).to.equal(sqlState);
        expect(error.message, sqlState).to.include('what the server says');
      }
    });
  }

  it('leaves a class of an extension to QUERY_EXECUTION', () => {
    for (const sqlState of ['ZZ001', 'Y0000', '99999'])
      expect(outline(statementError(serverError(sqlState)))).to.equal('QUERY_EXECUTION');
  });

  it('knows a prepared statement that is out of date by the routine of the server, in every language', () => {
    const error = serverError('0A000', 'Ergebnistyp …', { routine: 'RevalidateCachedQuery' });
    expect(outline(statementError(error))).to.equal('QUERY_EXECUTION PREPARED_STATEMENT_LOST, again');
  });

  it('quotes no value of class 22', () => {
    const error = statementError(serverError('22P02', 'invalid input syntax for type integer: "my secret"'));
    expect(error.message).to.equal('invalid input syntax for type integer: "…"');
  });

  for (const [language, message, masked] of [
    [
      'German',
      'ungültige Eingabesyntax für Typ integer: »mein "Wert«',
      'ungültige Eingabesyntax für Typ integer: "…"',
    ],
    [
      'French',
      'syntaxe en entrée invalide pour le type integer : « mon »secret« »',
      'syntaxe en entrée invalide pour le type integer : "…"',
    ],
    [
      'Spanish',
      'sintaxis no válida para tipo integer: «mi secreto»',
      'sintaxis no válida para tipo integer: "…"',
    ],
    ['single guillemets', 'valeur ‹secret› invalide', 'valeur "…" invalide'],
    ['low and high quotes', 'Wert „geheim“ ungültig', 'Wert "…" ungültig'],
    ['single low and high quotes', 'Wert ‚geheim‘ ungültig', 'Wert "…" ungültig'],
    ['curly quotes', 'value “secret” is invalid', 'value "…" is invalid'],
    ['single curly quotes', 'value ‘secret’ is invalid', 'value "…" is invalid'],
    ['corner brackets', '値「秘密」は無効です', '値"…"は無効です'],
  ] as const)
    it(`X-12 leaves the values out of a message of class 22 (${language})`, () => {
      expect(statementError(serverError('22P02', message)).message).to.equal(masked);
    });

  it('tells what ends a session, whatever the language of the server', () => {
    for (const sqlState of ['57P01', '57P02', '57P03', '57P04', '57P05', '25P03', '25P04'])
      expect(isFatal(serverError(sqlState, 'x', { severity: 'FATAL' })), sqlState).to.equal(true);
    expect(isFatal(serverError('25P03', 'x', { severity: 'SCHWERWIEGEND' }))).to.equal(true);
    expect(isFatal(serverError('57014'))).to.equal(false);
    expect(isServerError(serverError('57014'))).to.equal(true);
    expect(isServerError(Object.assign(new Error('x'), { code: 'EPIPE' }))).to.equal(false);
  });
});

const TOKEN = { user: 'flow_reader', database: 'flows', isToken: true } as const;
const PASSWORD = { ...TOKEN, isToken: false } as const;
const RESOURCE = 'https://ossrdbms-aad.database.windows.net';

/** What Azure Database for PostgreSQL, PgBouncer and PostgreSQL say of a login by token, as public reports show it. */
const SAID: readonly (readonly [
  title: string,
  sqlState: string,
  message: string,
  code: keyof typeof ERRORS,
  cure: RegExp,
])[] = [
  [
    'an expired token, 2025',
    '28000',
    'The access token has expired. Please acquire a new token and retry',
    'TOKEN_REFUSED',
    /clock/,
  ],
  [
    'an expired token, 2026',
    '28P01',
    'The access token has expired. Acquire a new token and try again.',
    'TOKEN_REFUSED',
    /clock/,
  ],
  [
    'an expired token of PostgreSQL 15',
    '55000',
    'The access token has expired. Please acquire a new token and retry',
    'TOKEN_REFUSED',
    /clock/,
  ],
  [
    'a token for another audience',
    '28000',
    `The access token does not have a valid audience claim. Please acquire a new token for the resource "${RESOURCE}".`,
    'TOKEN_REFUSED',
    /Scope/,
  ],
  [
    'no JWT',
    '28000',
    'The access token has invalid format. Please ensure the token is passed exactly as returned by the authentication endpoint and retry.',
    'TOKEN_REFUSED',
    /quotes/,
  ],
  [
    'a token of another tenant, or no token',
    '28000',
    'An error occurred while validating the access token. Please acquire a new token and retry',
    'TOKEN_REFUSED',
    /AzureTenant/,
  ],
  [
    'a role of a user',
    '28000',
    'Service Principals cannot generate AAD_AUTH_TOKENTYPE_APP_USER tokens for role "x".',
    'TOKEN_REFUSED',
    /"service"/,
  ],
  [
    'a role of a user, as once said',
    '28000',
    'Service Principals cannot generate AAD_AUTH_TOKENTYPE_APP_USER tokens for role[x]',
    'TOKEN_REFUSED',
    /enterprise application/,
  ],
  [
    'a role of another kind',
    '28000',
    'Microsoft Entra user token for role "x" is neither an AAD_AUTH_TOKENTYPE_APP_USER or an AAD_AUTH_TOKENTYPE_APP_OBO token.',
    'TOKEN_REFUSED',
    /"service"/,
  ],
  [
    'A-12 a role that is not mapped, or in the wrong case',
    '28P01',
    'password authentication failed for user "Flow_Reader"',
    'ROLE_UNKNOWN',
    /case matters/,
  ],
  ['A-12 a missing role', '28000', 'role "x" does not exist', 'ROLE_UNKNOWN', /pg-entra role-sql/],
  [
    'no rule for this address',
    '28000',
    'no pg_hba.conf entry for host "192.0.2.1", user "x", database "y", no encryption',
    'LOGIN_REFUSED',
    /firewall/,
  ],
  [
    'a token too long for PgBouncer',
    '08P01',
    'client sent partial pkt in startup phase',
    'TOKEN_REFUSED',
    /5432/,
  ],
  ['a refusal by PgBouncer', '08P01', 'password authentication failed', 'TOKEN_REFUSED', /log/],
  [
    'the fault of PostgreSQL 18 on Azure',
    '28000',
    'cannot read pg_class without having selected a database',
    'TOKEN_REFUSED',
    /update of the server/,
  ],
  ['an unknown database', '3D000', 'database "x" does not exist', 'DATABASE_UNKNOWN', /Database/],
  ['B-30 too many connections', '53300', 'sorry, too many clients already', 'SERVER_BUSY', /PoolMaxSize/],
  ['a crash of the server', '57P02', 'terminating connection', 'SERVER_STARTING', /again/],
  ['a start of the server', '57P03', 'the database system is starting up', 'SERVER_STARTING', /again/],
  ['a rejected connection', '08004', 'rejected', 'SERVER_CONNECTION_FAILED', /pooler/],
  ['a time zone of ours', '22023', 'invalid value for parameter "TimeZone"', 'PROPERTY_INVALID', /./],
];

describe('what a server says of a login', () => {
  for (const [title, sqlState, message, code, cure] of SAID) {
    it(`A-11 ${title} is ${code}`, () => {
      const error = loginError(serverError(sqlState, message, { severity: 'FATAL' }), TOKEN);
      expect(error.code).to.equal(code);
      expect(error.cure).to.match(cure);
      expect(error.sqlState).to.equal(sqlState);
      const mayHelp = ['TOKEN_REFUSED', 'ROLE_UNKNOWN', 'LOGIN_REFUSED'].includes(code);
      expect(isLoginRefusal(error), 'another token may help').to.equal(mayHelp);
    });
  }

  it('A-11 knows what has no SQLSTATE of its own by the routine, in every language', () => {
    const said = (routine: string, facts: typeof TOKEN | typeof PASSWORD) =>
      loginError(serverError('28000', 'Anmeldung …', { routine }), facts).code;
    expect(said('InitializeSessionUserId', TOKEN)).to.equal('ROLE_UNKNOWN');
    expect(said('ClientAuthentication', TOKEN)).to.equal('LOGIN_REFUSED');
    expect(said('ClientAuthentication', PASSWORD)).to.equal('LOGIN_REFUSED');
    expect(said('auth_failed', TOKEN)).to.equal('TOKEN_REFUSED');
  });

  it('A-11 a setting that the server does not take is told by the name of its property', () => {
    const told = (setting: string) =>
      loginError(serverError('22023', `ungültiger Wert für Parameter »${setting}«: »TimeZone«`), TOKEN)
        .properties;
    expect(told('TimeZone')).to.deep.equal(['TimeZone']);
    expect(told('search_path')).to.deep.equal(['SearchPath']);
    const { properties } = loginError(serverError('22023', 'something else'), TOKEN);
    expect(properties).to.deep.equal(['TimeZone', 'SearchPath']);
  });

  it('A-11 a password is never spoken of as a token', () => {
    const said = (sqlState: string) => loginError(serverError(sqlState), PASSWORD).code;
    expect(said('28P01')).to.equal('PASSWORD_REFUSED');
    expect(said('28000')).to.equal('PASSWORD_REFUSED');
    expect(said('08P01')).to.equal('SERVER_CONNECTION_FAILED');
    expect(said('55000')).to.equal('OBJECT_NOT_READY');
  });

  it('shows what a stranger says without its control characters and tokens', () => {
    const evil = `\u001b[31m\neyJhbGciOiJub25lIn0.eyJvaWQiOiJ4In0.c2ln ${'x'.repeat(5_000)}`;
    const { message } = loginError(serverError('28000', evil), TOKEN);
    expect(message).not.to.match(/\p{Cc}|eyJ/u);
    expect(message).to.have.length.below(1_200);
  });
});

describe('SQLSTATEs of a real server', function () {
  this.timeout(20_000);
  const use = useConnector();

  it('B-05 B-07 B-13 come to a flow as the table says', async () => {
    const conditions = Object.entries(CLASSES).flatMap(([, of]) => Object.entries(of));
    // Those that end a session do so here, too, and what became of the statement is then another question.
    for (const [sqlState, expected] of conditions.filter(([code]) => !/^(00000|57P|25P0[34])/.test(code))) {
      const sql = `do $$ begin raise exception 'what the server says' using errcode = '${sqlState}'; end $$`;
      const error = await use.connector.execute('select', { sql }).catch((thrown: unknown) => thrown);
      expect(outline(error as ReturnType<typeof statementError>), sqlState).to.equal(expected);
    }
  });
});

describe('a server that ends what takes too long', function () {
  this.timeout(20_000);
  const use = useSandbox();

  afterEach(() => use.sandbox.query(`alter role ${use.sandbox.role} reset all`));

  it('B-12 idle_in_transaction_session_timeout: the transaction is reported lost', async () => {
    await use.sandbox.query(
      `alter role ${use.sandbox.role} set idle_in_transaction_session_timeout = '20ms'`,
    );
    const { provider } = use.connect();
    const session = await provider.connect();
    const statement = (text: string) => ({ text, values: [] });
    const work = session.transaction(async () => {
      await session.all(statement('create table lost (id int)'), { writes: true });
      await untilTrue(async () => {
        const rows = await use.sandbox.query('select 1 from pg_stat_activity where pid = $1', [session.id]);
        return rows.length === 0;
      });
      await session.all(statement('insert into lost values (1)'), { writes: true });
    }, {});
    const error = await failure(work, 'POSTGRESQL:QUERY_TIMEOUT', 'TRANSACTION_TIMEOUT');
    expect(error.sqlState).to.equal('25P03');
    expect(await use.sandbox.query(`select to_regclass('lost') as lost`)).to.deep.equal([{ lost: null }]);
    await provider.disconnect(session);
  });

  it('B-05 pg_cancel_backend: STATEMENT_CANCELLED, and the session lives', async () => {
    const connector = use.connect({ PoolMaxSize: '1' });
    const slow = failure(
      connector.execute('select', { sql: 'select pg_sleep(60)' }),
      'POSTGRESQL:QUERY_TIMEOUT',
      'STATEMENT_CANCELLED',
    );
    await untilTrue(async () => {
      const rows = await use.sandbox.query<{ cancelled: boolean }>(
        `select pg_cancel_backend(pid) as cancelled from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'`,
      );
      return rows.length > 0;
    });
    const error = await slow;
    expect(error.sqlState).to.equal('57014');
    expect(error.cure).to.include('pg_cancel_backend');
    expect((await connector.execute('select', { sql: 'select 1 as one' })).rows).to.deep.equal([{ one: 1 }]);
    expect(connector.health().sessionsOpened).to.equal(1);
  });

  it('B-13 a deadlock is told from other collisions', async () => {
    await use.sandbox.query('create table if not exists crossing (id int primary key)');
    await use.sandbox.query(`insert into crossing values (1), (2) on conflict do nothing`);
    await use.sandbox.query(`grant all on crossing to ${use.sandbox.role}`);
    const { provider } = use.connect();
    const sessions = await Promise.all([provider.connect(), provider.connect()]);
    const lock = (id: number) => ({
      text: `select id from crossing where id = ${String(id)} for update`,
      values: [],
    });
    let arrived = 0;
    const cross = async (index: 0 | 1): Promise<void> => {
      const session = sessions[index];
      await session.transaction(async () => {
        await session.all(lock(index + 1), { writes: false });
        arrived += 1;
        await untilTrue(() => arrived === 2);
        await session.all(lock(2 - index), { writes: false });
      }, {});
    };
    const outcomes = await Promise.allSettled([cross(0), cross(1)]);
    const lost = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    expect(lost).to.have.length(1);
    await failure(Promise.reject(lost[0]?.reason as Error), 'POSTGRESQL:SERIALIZATION_FAILURE', 'DEADLOCK');
    await Promise.all(sessions.map((session) => provider.disconnect(session)));
  });
});
