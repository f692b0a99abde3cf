import { expect } from 'chai';
import fc from 'fast-check';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import { ERROR_TYPES, ERRORS, type ErrorFacts, type ErrorType } from '#src/error-table.js';
import {
  asConnectorError,
  ConnectorError,
  describe as described,
  exitCodeOf,
  isConnectorError,
  isOfType,
  printable,
  type ErrorCode,
} from '#src/errors.js';
import { PROPERTIES } from '#src/settings/properties.js';

const TYPES = Object.keys(ERROR_TYPES) as ErrorType[];
const CODES = Object.entries(ERRORS) as [ErrorCode, ErrorFacts][];
const TOKEN = `eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.${Buffer.from('{"aud":"x","oid":"canary"}').toString('base64url')}.c2lnbmF0dXJl`;

/** An error of `code` with `value` for every placeholder. */
function errorOf(code: ErrorCode, value: string): ConnectorError {
  const { message, cure } = ERRORS[code];
  const names = [...`${message}${cure}`.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  return new ConnectorError(code, Object.fromEntries(names.map((name) => [name, value])) as never);
}

describe('the table of errors', () => {
  for (const [code, { type, message, cure, retryable }] of CODES) {
    it(`${code} is a sentence with a cure and a known type`, () => {
      expect(code).to.match(/^[A-Z]+(_[A-Z]+)*$/);
      expect(ERROR_TYPES).to.have.property(type);
      expect(retryable).to.be.a('boolean');
      expect(message).to.match(/^(\{problems?\}|[A-Z{].*\.|(.* )?\{serverMessage\})$/);
      expect(cure).to.match(/^[A-Z].*\.$/);
      for (const text of [message, cure]) {
        expect(text.replace(/\{[a-zA-Z]+\}/g, ''), 'placeholders are letters in braces').not.to.match(/[{}]/);
        expect(text)
          .to.equal(text.trim())
          .and.not.to.match(/\n| {2}/);
      }
    });

    it(`${code} has every placeholder filled`, () => {
      const { message: filled, cure: cureFilled } = errorOf(code, 'VALUE');
      expect(filled + cureFilled).not.to.match(/[{}]|undefined/);
    });
  }

  it('names only properties that exist', () => {
    const known = new Set<string>(PROPERTIES.map(({ name }) => name));
    const words = ['PostgreSQL', 'OpenID'];
    const named = CODES.flatMap(([code, { message, cure }]) =>
      [...`${message} ${cure}`.matchAll(/\b[A-Z]\w*[a-z][A-Z]\w*\b/g)].map(([word]) => `${code}: ${word}`),
    );
    expect(
      named.filter((entry) => !known.has(entry.split(': ')[1]!) && !words.includes(entry.split(': ')[1]!)),
    ).to.deep.equal([]);
    expect(named).to.include('CERTIFICATE_PASSWORD_MISSING: OAuthJWTCertPassword');
  });

  for (const type of TYPES) {
    it(`${type} is a sentence with an existing parent and an end of its ancestry`, () => {
      const { description, parent } = ERROR_TYPES[type];
      expect(type).to.match(/^POSTGRESQL:[A-Z]+(_[A-Z]+)*$/);
      expect(description).to.match(/^[A-Z].*\.$/);
      const ancestry = new Set<string>([type]);
      for (let at: string | null = parent; at !== null; at = ERROR_TYPES[at as ErrorType].parent) {
        expect(ERROR_TYPES).to.have.property(at);
        expect(ancestry.has(at), 'a cycle').to.equal(false);
        ancestry.add(at);
      }
    });
  }

  it('has a code or a child for every type', () => {
    const used = new Set<string>([
      ...CODES.map(([, { type }]) => type),
      ...TYPES.map((type) => ERROR_TYPES[type].parent ?? ''),
    ]);
    expect(TYPES.filter((type) => !used.has(type))).to.deep.equal([]);
  });

  // The contract of the design: flat names with these parents.
  it('has the types that flows rely on', () => {
    const children = (parent: string | null): string[] =>
      TYPES.filter((type) => ERROR_TYPES[type].parent === parent).map((type) =>
        type.replace('POSTGRESQL:', ''),
      );
    expect(children(null)).to.have.members([
      'SETTINGS',
      'AUTHENTICATION',
      'CONNECTIVITY',
      'BAD_SQL_SYNTAX',
      'QUERY_EXECUTION',
      'RETRY_EXHAUSTED',
      'POOL_EXHAUSTED',
      'OUTCOME_UNKNOWN',
      'CANCELLED',
      'PROTOCOL_VIOLATION',
    ]);
    expect(children('POSTGRESQL:CONNECTIVITY')).to.have.members([
      'INVALID_CREDENTIALS',
      'INVALID_DATABASE',
      'CANNOT_REACH',
      'TLS',
    ]);
    expect(children('POSTGRESQL:QUERY_EXECUTION')).to.have.members([
      'CONSTRAINT_VIOLATION',
      'PERMISSION_DENIED',
      'QUERY_TIMEOUT',
      'SERIALIZATION_FAILURE',
      'DATA_ERROR',
    ]);
  });

  const exits: readonly (readonly [code: ErrorCode, exit: number])[] = [
    ['PROPERTY_INVALID', 2],
    ['CERTIFICATE_PASSWORD_WRONG', 2],
    ['CERTIFICATE_EXPIRED', 2],
    ['CERTIFICATE_KEY_MISMATCH', 2],
    ['WRONG_CLIENT_SECRET', 3],
    ['TENANT_NOT_FOUND', 3],
    ['CERTIFICATE_NOT_REGISTERED', 3],
    ['TOKEN_REFUSED', 3],
    ['ROLE_UNKNOWN', 3],
    ['SERVER_UNREACHABLE', 4],
    ['SERVER_WITHOUT_TLS', 4],
    ['SERVER_HOST_NAME_MISMATCH', 4],
    ['DATABASE_UNKNOWN', 4],
    ['SYNTAX_ERROR', 1],
    ['POOL_EXHAUSTED', 1],
    ['OUTCOME_UNKNOWN', 1],
    ['CANCELLED', 1],
  ];
  for (const [code, exit] of exits) {
    it(`${code} ends the shell with ${exit}`, () => {
      expect(exitCodeOf(errorOf(code, 'x'))).to.equal(exit);
    });
  }

  it('never lets a write whose outcome is unknown look repeatable', () => {
    expect(ERRORS.OUTCOME_UNKNOWN.retryable).to.equal(false);
  });
});

describe('ConnectorError', () => {
  const error = new ConnectorError(
    'CONSTRAINT_VIOLATION',
    { serverMessage: 'duplicate key' },
    { sqlState: '23505', table: 't', oauthError: undefined, cause: new RangeError('below') },
  );

  it('says type, code, message, cure and what else is known', () => {
    expect(error).to.be.instanceOf(Error).and.to.include({
      name: 'ConnectorError',
      type: 'POSTGRESQL:CONSTRAINT_VIOLATION',
      code: 'CONSTRAINT_VIOLATION',
      message: 'duplicate key',
      cure: 'Correct the row, or use upsert where the key may exist already.',
      retryable: false,
    });
  });

  it('is JSON without a stack, a cause and what is unknown', () => {
    expect(JSON.parse(JSON.stringify(error))).to.deep.equal({
      type: 'POSTGRESQL:CONSTRAINT_VIOLATION',
      code: 'CONSTRAINT_VIOLATION',
      message: 'duplicate key',
      cure: 'Correct the row, or use upsert where the key may exist already.',
      retryable: false,
      sqlState: '23505',
      table: 't',
    });
    expect('oauthError' in error).to.equal(false);
  });

  it('lets the peer decide whether to try again', () => {
    expect(new ConnectorError('CANCELLED', {}, { retryable: true }).retryable).to.equal(true);
    expect(new ConnectorError('AUTHORITY_THROTTLED', { host: 'h' }).retryable).to.equal(true);
  });

  it('keeps name, code and text of a cause, and nothing that hangs on it', () => {
    const below = Object.assign(new TypeError('connect failed'), {
      code: 'ECONNREFUSED',
      config: { secret: 'canary' },
    });
    const { cause } = new ConnectorError('CANCELLED', {}, { cause: below }) as { cause: Error };
    expect(cause).to.be.instanceOf(Error).and.not.to.equal(below);
    expect({ name: cause.name, message: cause.message }).to.deep.equal({
      name: 'TypeError',
      message: 'ECONNREFUSED: connect failed',
    });
    expect(inspect(cause, { showHidden: true, depth: Infinity })).not.to.contain('canary');
  });

  it('keeps a cause of its own kind as it is', () => {
    expect(new ConnectorError('CANCELLED', {}, { cause: error }).cause).to.equal(error);
  });

  it('X-02 masks a token in details and in causes', () => {
    const cause = new Error(`request with ${TOKEN} failed`);
    const carrying = new ConnectorError('SYNTAX_ERROR', { serverMessage: `near "${TOKEN}"` }, { cause });
    const printed = inspect(carrying, { showHidden: true, depth: Infinity });
    expect(printed).to.contain('near "***"').and.not.to.contain(TOKEN.slice(0, 30));
    expect(printed).not.to.contain('c2lnbmF0dXJl');
  });

  it('does not fill placeholders that a detail brings along', () => {
    const { message } = new ConnectorError('OPERATION_UNKNOWN', { name: '{names}', names: 'x' });
    expect(message).to.equal('There is no operation "{names}".');
  });

  it('has a stack that starts where it was made', () => {
    expect(new ConnectorError('CANCELLED', {}).stack?.split('\n')[1]).to.contain('errors.test');
  });
});

describe('telling errors apart', () => {
  it('knows its own errors across two loaded copies', async () => {
    const copy = (await import(
      `${import.meta.resolve('#src/errors.js')}?copy`
    )) as typeof import('#src/errors.js');
    const foreign = new copy.ConnectorError('CANCELLED', {});
    expect(foreign).not.to.be.instanceOf(ConnectorError);
    expect(isConnectorError(foreign)).to.equal(true);
    expect(asConnectorError(foreign)).to.equal(foreign);
    expect(copy.isConnectorError(new ConnectorError('CANCELLED', {}))).to.equal(true);
  });

  for (const value of [
    undefined,
    null,
    'CANCELLED',
    1,
    {},
    [],
    new Error('x'),
    { code: 'CANCELLED', type: 'POSTGRESQL:CANCELLED' },
  ]) {
    it(`does not take ${inspect(value).split('\n')[0]!} for its own`, () => {
      expect(isConnectorError(value)).to.equal(false);
    });
  }

  it('climbs the table of types', () => {
    const violation = errorOf('CONSTRAINT_VIOLATION', 'x');
    expect(isOfType(violation, 'POSTGRESQL:CONSTRAINT_VIOLATION')).to.equal(true);
    expect(isOfType(violation, 'POSTGRESQL:QUERY_EXECUTION')).to.equal(true);
    expect(isOfType(violation, 'POSTGRESQL:CONNECTIVITY')).to.equal(false);
    expect(isOfType(errorOf('QUERY_EXECUTION', 'x'), 'POSTGRESQL:CONSTRAINT_VIOLATION')).to.equal(false);
  });

  // What may be thrown: nothing in it may throw again.
  const strange: readonly (readonly [string, unknown, string])[] = [
    ['an error', new Error('lost'), 'lost'],
    ['an error without a text', new RangeError(), 'RangeError'],
    ['an error with a code', Object.assign(new Error('lost'), { code: 'EPIPE' }), 'EPIPE: lost'],
    ['an error of another realm', runInNewContext('new Error("lost")'), 'Error: lost'],
    ['text', 'lost', 'lost'],
    ['undefined', undefined, 'undefined'],
    ['a symbol', Symbol('lost'), 'Symbol(lost)'],
    ['an object without a prototype', Object.create(null), 'a value without a text'],
    ['an error whose text is no text', Object.assign(new Error(), { message: 7 }), '7'],
    [
      'an error whose text throws',
      Object.defineProperty(new Error(), 'message', {
        get() {
          throw new Error('again');
        },
      }),
      'a value without a text',
    ],
  ];
  for (const [what, value, text] of strange) {
    it(`makes an INTERNAL of ${what}`, () => {
      const error = asConnectorError(value);
      expect(error).to.include({ type: 'POSTGRESQL:QUERY_EXECUTION', code: 'INTERNAL' });
      expect(error.message).to.equal(`Something failed inside the connector: ${text}.`);
      expect(described(value)).to.equal(text);
    });
  }
});

describe('foreign text in messages', () => {
  const long = Buffer.from(JSON.stringify({ groups: 'g'.repeat(6_000) })).toString('base64url');
  const masked: readonly (readonly [what: string, text: string, printed: string])[] = [
    ['a token', `a ${TOKEN} b`, 'a *** b'],
    ['two tokens', `${TOKEN},${TOKEN}`, '***,***'],
    ['a token without a signature', TOKEN.slice(0, TOKEN.lastIndexOf('.') + 1), '***'],
    ['the cut-off start of a token', TOKEN.slice(0, 60), '***'],
    ['a token longer than a message', `eyJhbGciOiJub25lIn0.${long}.c2ln`, '***'],
    ['a client secret in a form', 'a&client_secret=q~8&b', 'a&client_secret=***&b'],
    ['an assertion in a form', 'client_assertion=x.y', 'client_assertion=***'],
    ['a password in a query', 'PASSWORD=abc def', 'PASSWORD=*** def'],
    [
      'the name of a private endpoint, which stays',
      'contoso-prod.privatelink-01.postgres.database.azure.com',
      'contoso-prod.privatelink-01.postgres.database.azure.com',
    ],
    ['C0 controls', 'a\r\n\u001b[31m\0', 'a\\u000d\\u000a\\u001b[31m\\u0000'],
    ['DEL, C1 controls and separators', '\u007f\u0085\u2028\u2029', '\\u007f\\u0085\\u2028\\u2029'],
    ['direction characters', '\u202e\u2066\u200f\u061c', '\\u202e\\u2066\\u200f\\u061c'],
    ['halves of surrogate pairs', 'a\ud83d', 'a\\ud83d'],
    ['other text, which stays', 'Zürich 😀 "x" {y}', 'Zürich 😀 "x" {y}'],
  ];
  for (const [what, text, printed] of masked) {
    it(`P-10 X-02 masks or escapes ${what}`, () => {
      expect(printable(text)).to.equal(printed);
    });
  }

  it('P-10 is one line of at most 1,000 characters, whatever comes in', () => {
    const unit = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\n', '\u202e', '\ud800', '😀', TOKEN, 'eyJ'),
    );
    fc.assert(
      fc.property(
        fc.array(unit, { maxLength: 300 }).map((parts) => parts.join('')),
        (text) => {
          const line = printable(text);
          expect(line.length).to.be.at.most(1_001);
          expect(line.isWellFormed()).to.equal(true);
          expect(line).not.to.match(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u);
        },
      ),
    );
    expect(printable('😀'.repeat(2_000))).to.have.length(1_001);
    expect(printable(`x${'😀'.repeat(2_000)}`).isWellFormed()).to.equal(true);
  });

  it('P-14 looks at the first 4,000 characters only', () => {
    const start = performance.now();
    for (const text of ['eyJ', 'a', 'a.', 'password=', '\0']) printable(text.repeat(1_000_000));
    expect(performance.now() - start).to.be.lessThan(500);
  });
});
