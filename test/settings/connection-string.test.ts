import { expect } from 'chai';
import fc from 'fast-check';
import {
  formatConnectionString,
  parseConnectionString,
  readConnectionString,
  readPropertyObject,
} from '#src/settings/connection-string.js';
import { PROPERTIES, type PropertyName } from '#src/settings/properties.js';
import { failure } from '../support/failure.js';

const SETTINGS = 'POSTGRESQL:SETTINGS';
const parsed = (text: string): Record<string, string> => ({ ...parseConnectionString(text) });
const malformed = (text: string) =>
  failure(() => parseConnectionString(text), SETTINGS, 'CONNECTION_STRING_MALFORMED');
const unknown = (text: string) => failure(() => parseConnectionString(text), SETTINGS, 'UNKNOWN_PROPERTY');

describe('connection strings', () => {
  describe('the form of Name=Value pairs', () => {
    const accepted: readonly (readonly [row: string, text: string, properties: Record<string, string>])[] = [
      ['nothing', '', {}],
      ['behind the prefix of CData', 'jdbc:postgresql:User=u;Port=1;', { User: 'u', Port: '1' }],
      ['behind its longer prefix', ' JDBC:cdata:postgresql: User="u";', { User: 'u' }],
      ['nothing behind a prefix', 'jdbc:postgresql:', {}],
      ['a blank and = in a value, the name before it unknown', 'User=a b=c', { User: 'a b=c' }],
      ['a blank and = in a value among other pairs', 'User=a port=1;', { User: 'a port=1' }],
      ['P-07 semicolons only', ';;;', {}],
      ['P-07 a semicolon at the end', 'Port=1;', { Port: '1' }],
      ['P-07 an empty value', 'Port=;User=u', { User: 'u' }],
      ['P-07 an empty value in quotes', 'Port="";User=u', { Port: '', User: 'u' }],
      ['P-07 = inside a value', 'User=a=b==c=', { User: 'a=b==c=' }],
      ['P-02 any case', 'authscheme=a;PORT=1', { AuthScheme: 'a', Port: '1' }],
      ['P-02 the name of the form, with blanks', 'Auth Scheme = a', { AuthScheme: 'a' }],
      ['P-02 hyphens and underscores', 'auth-scheme=a;use_ssl=true', { AuthScheme: 'a', UseSSL: 'true' }],
      ['P-02 aliases', 'Host=h;User Id=u;Initial Catalog=d', { Server: 'h', User: 'u', Database: 'd' }],
      [
        'P-08 blanks, tabs and line ends around',
        ' \t\r\nUser\t=\r\n u \t; Port = 1\n',
        { User: 'u', Port: '1' },
      ],
      ['P-08 a no-break space belongs to the value', 'User=\u00a0u\u00a0', { User: '\u00a0u\u00a0' }],
      ['P-08 a byte order mark at the start', '\ufeffUser=u', { User: 'u' }],
      ['P-08 blanks inside quotes', 'User=" u "', { User: ' u ' }],
      ['P-04 ; in double quotes', 'User="a;b";Port=1', { User: 'a;b', Port: '1' }],
      ['P-04 ; in single quotes', "User='a;b';Port=1", { User: 'a;b', Port: '1' }],
      ['P-04 ; in braces', 'User={a;b};Port=1', { User: 'a;b', Port: '1' }],
      [
        'P-04 one quote inside the other',
        `User="it's";Database='say "x"'`,
        { User: "it's", Database: 'say "x"' },
      ],
      ['P-04 a quote that does not start the value', `User=a"b;Port=1`, { User: 'a"b', Port: '1' }],
      ['P-05 doubled double quotes', 'User="a""b"', { User: 'a"b' }],
      ['P-05 doubled single quotes', "User='it''s'", { User: "it's" }],
      ['P-05 doubled closing braces', 'User={a}}b{c}', { User: 'a}b{c' }],
      ['P-05 two doubled quotes, once only', 'User=""""""', { User: '""' }],
      ['P-03 the last of two', 'Port=1;Port=2', { Port: '2' }],
      ['P-03 an empty one is the last of two', 'Port=1;Port=', {}],
      [
        'P-29 expressions of hosts as text',
        'User=${U};Database="{{d}}"',
        { User: '${U}', Database: '{{d}}' },
      ],
    ];
    for (const [row, text, properties] of accepted) {
      it(`reads ${row}`, () => {
        expect(parsed(text)).to.deep.equal(properties);
      });
    }

    const refused: readonly (readonly [row: string, text: string, words: string])[] = [
      ['libpq keywords', 'host=db dbname=d', 'not by semicolons, at character 8.'],
      ['libpq keywords with quotes', "user = 'a b'  password='c'", 'not by semicolons, at character 14.'],
      ['one pair a line', '\nServer=db\r\nUser=u\nPort=1', 'not by semicolons, at character 12.'],
      ['P-06 an unterminated double quote', 'Port=1;User="abc', 'never closed at character 12.'],
      ['P-06 an unterminated brace', 'User={a}}', 'never closed at character 5.'],
      ['P-29 a bare {{expression}}, which opens a brace', 'User={{u}}', 'never closed at character 5.'],
      ['P-06 text behind a quoted value', 'User="a"b', 'behind a quoted value at character 8.'],
      ['P-07 a missing name', '=x', 'a name is missing before = at character 0.'],
      ['P-07 a blank name', 'Port=1; =x', 'a name is missing before = at character 8.'],
      ['P-07 a name without a value', 'Port=1;User', 'a name has no = behind it at character 7.'],
      [
        'P-07 a value that starts with =, which is a name with =',
        'User==x',
        'no = behind it at character 0.',
      ],
      [
        'P-08 a line without its semicolon',
        'Server=localhost\nPort=5432;User=u',
        'a semicolon is missing before the line that begins with Port=, at character 16.',
      ],
      [
        'P-08 a secret whose line has no semicolon',
        'User=u;OAuthClientSecret=abc\r\n  Verbosity = 5',
        'a semicolon is missing before the line that begins with Verbosity=, at character 28.',
      ],
      ['P-09 U+0000 in a value', 'User=a\0b', 'U+0000 or half of a surrogate pair at character 6.'],
      ['P-09 U+0000 in a name', 'Us\0er=a', 'U+0000 or half of a surrogate pair at character 2.'],
      ['P-11 half of a surrogate pair', 'User=a\ud800b', 'surrogate pair at character 6.'],
      ['P-11 the other half, in quotes', 'User="\udc00"', 'surrogate pair at character 6.'],
    ];
    for (const [row, text, words] of refused) {
      it(`refuses ${row}, by its offset`, async () => {
        const { message } = await malformed(text);
        expect(message).to.contain(words);
      });
    }

    it('P-06 names offsets, never values', async () => {
      const { message, cause } = await malformed('User=u;OAuthClientSecret="canary-9f3k;Port=1');
      expect(message).not.to.contain('canary');
      expect(cause).to.equal(undefined);
    });
  });

  describe('names', () => {
    it('P-01 names an unknown property and the nearest known one, not the value', async () => {
      const error = await unknown('Sevrer=canary-9f3k');
      expect(error.message).to.equal('Unknown property: Sevrer (did you mean Server?).');
      expect(error.properties).to.deep.equal(['Sevrer']);
    });

    it('P-01 names all unknown properties at once, and an unknown one without a value too', async () => {
      const error = await unknown('Sevrer=x;Port=1;Zzzzzzzz=y;Dabatase=');
      expect(error.message).to.equal(
        'Unknown property: Sevrer (did you mean Server?), Zzzzzzzz, Dabatase (did you mean Database?).',
      );
    });

    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype']) {
      it(`P-12 takes ${name} for an ordinary unknown property`, async () => {
        await unknown(`${name}=x`);
        const object = JSON.parse(`{"${name}":"x"}`) as Record<string, unknown>;
        await failure(() => readPropertyObject(object), SETTINGS, 'UNKNOWN_PROPERTY');
        expect(({} as Record<string, unknown>)['x']).to.equal(undefined);
      });
    }

    it('P-12 gives an object without a prototype', () => {
      expect(Object.getPrototypeOf(parseConnectionString('Port=1'))).to.equal(null);
    });

    it('P-28 shows nothing of what cannot be a name: it may be an address or a piece of a value', async () => {
      for (const name of ['x/canary-9f3k@h', 'canary~9f3k', `canary${'x'.repeat(64)}`, 'canary"']) {
        const error = await unknown(`Port=1;${name}=x`);
        expect(error.message).to.equal('Unknown property: (text that is no name).');
        expect(JSON.stringify(error)).not.to.contain('canary');
      }
    });

    it('P-28 refuses the URI of another database and shows no part of it', async () => {
      const { message } = await malformed(' mysql://u:canary-9f3k@h/d?x=y');
      expect(message).to.equal(
        'The connection string cannot be read: it is a URI, but not of PostgreSQL, at character 1.',
      );
    });

    it('P-25 says of the names of other drivers why they are not taken', async () => {
      const error = await unknown(
        'Server=h;options=-c x=y;replication=database;service=s;uselibpqcompat=true',
      );
      expect(error.message).to.equal(
        'Unknown property: options (settings of a session are not passed on; SearchPath, StatementTimeout, TimeZone, Readonly and ' +
          'ApplicationName are properties), replication (replication sessions are not opened), service (no ' +
          'files of libpq are read; set the properties themselves), uselibpqcompat (SSLMode means what it ' +
          'means to libpq in any case; remove it).',
      );
    });

    it('P-01 suggests what an alias or a title stands for', async () => {
      const error = await unknown('Azure Tennant=a;dbnam=b;Client-Secrets=c');
      expect(error.message).to.equal(
        'Unknown property: Azure Tennant (did you mean AzureTenant?), dbnam (did you mean Database?), ' +
          'Client-Secrets (did you mean OAuthClientSecret?).',
      );
    });

    it('P-10 shows no control and direction characters of names', async () => {
      const { message } = await unknown('a\u001b[31m\u202eb\u200f=x');
      expect(message).to.equal('Unknown property: (text that is no name).');
    });

    it('P-03 notes a repeated property once, however often it is given, without values', () => {
      const { notes } = readConnectionString(`Port=1${';Port=4711'.repeat(900)}`);
      expect(notes).to.deep.equal([
        { property: 'Port', text: 'Port is given more than once; the last value counts.' },
      ]);
    });

    it('P-02 notes an alias, and not the name of a form or another case', () => {
      const { notes } = readConnectionString('auth scheme=a;SERVER=s;uid=u');
      expect(notes).to.deep.equal([{ property: 'User', text: 'uid is read as User.' }]);
    });

    it('P-10 keeps a note on one line', () => {
      const { notes } = readConnectionString('ho\nst=h');
      expect(notes.map(({ text }) => text)).to.deep.equal(['ho\\u000ast is read as Server.']);
    });
  });

  describe('properties as an object', () => {
    it('takes numbers and booleans as text; null and undefined are unset', () => {
      const { properties } = readPropertyObject({ Port: 1, UseSSL: true, User: null, Server: undefined });
      expect({ ...properties }).to.deep.equal({ Port: '1', UseSSL: 'true' });
    });

    const unusable: readonly (readonly [string, unknown])[] = [
      ['an object', {}],
      ['an array', ['u']],
      ['a function', (): string => 'u'],
      ['P-09 U+0000', 'a\0'],
      ['P-11 half of a surrogate pair', 'a\ud800'],
      ['P-13 more than 1 MiB', 'x'.repeat(1_048_577)],
    ];
    for (const [what, value] of unusable) {
      it(`refuses ${what} as a value, by its name`, async () => {
        const error = await failure(() => readPropertyObject({ User: value }), SETTINGS, 'PROPERTY_INVALID');
        expect(error.properties).to.deep.equal(['User']);
        expect(error.message).to.match(/^User is not text/);
      });
    }

    it('P-13 names at most 20 of 1,000 wrong ones, and refuses more', async () => {
      const wrong = (count: number): object =>
        Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, {}]));
      const refusal = (count: number) =>
        failure(() => readPropertyObject({ ...wrong(count) }), SETTINGS, 'PROPERTY_INVALID');
      expect((await refusal(1_000)).properties).to.have.length(20);
      expect((await refusal(100_000)).message).to.equal('More than 1,000 properties are given.');
    });
  });

  describe('size', () => {
    it('P-13 refuses more than 1 MiB without reading it', async () => {
      expect((await malformed(`User=${'x'.repeat(1_048_576)}`)).message).to.contain('longer than 1 MiB');
    });

    it('P-13 reads a value that fills 1 MiB', () => {
      const value = 'x'.repeat(1_048_571);
      expect(parseConnectionString(`User=${value}`).User).to.equal(value);
    });

    it('P-13 names the first 20 of 1,000 unknown properties and counts the rest', async () => {
      const { message, properties } = await unknown('zzzz=1;'.repeat(1_000));
      expect(message).to.match(/and 980 more\.$/);
      expect(properties).to.have.length(20);
    });

    for (const pair of ['Port=1;', 'zzzz=1;', 'a=;'])
      it(`P-13 refuses 100,000 times ${pair} by limit`, async () => {
        expect((await malformed(pair.repeat(100_000))).message).to.contain('more than 1,000 pairs');
      });

    // Ten times the text may take no more than forty times as long (linear, with slack); 100 would be quadratic.
    const shapes: readonly (readonly [string, (n: number) => string])[] = [
      ['one character as a name', (n) => 'a'.repeat(n)],
      ['equal signs', (n) => '='.repeat(n)],
      ['semicolons', (n) => ';'.repeat(n)],
      ['blanks in front of a value', (n) => `User=${' '.repeat(n)}`],
      ['blanks behind a value', (n) => `User=x${' '.repeat(n)}`],
      ['blanks inside a value', (n) => `User=x${' '.repeat(n)}x`],
      ['doubled quotes', (n) => `User="${'""'.repeat(n / 2)}"`],
      ['open braces', (n) => `User=${'{'.repeat(n)}`],
      ['short pairs', (n) => 'Port=1;'.repeat(n / 7)],
      ['short unknown pairs', (n) => 'a=;'.repeat(n / 3)],
      [
        'aliases in many spellings',
        (n) => Array.from({ length: n / 16 }, (_, i) => `u${' '.repeat(i % 9)}id=u`).join(';'),
      ],
    ];
    for (const [name, shape] of shapes) {
      it(`P-14 reads ${name} in linear time`, () => {
        const small = shape(100_000);
        const large = shape(1_000_000);
        fastest(small); // warm
        const ratio = fastest(large) / Math.max(fastest(small), 0.5);
        expect(ratio).to.be.lessThan(60);
      });
    }
  });

  describe('formatting', () => {
    it('P-04 reads back every value: parse(format(x)) = x', () => {
      fc.assert(
        fc.property(propertiesArbitrary, (properties) => {
          expect(parsed(formatConnectionString(properties))).to.deep.equal(properties);
        }),
        { numRuns: 2_000 },
      );
    });

    it('P-30 gives every text one reading: accepted text is stable, the rest is a typed error', () => {
      fc.assert(
        fc.property(textArbitrary, (text) => {
          const first = attempt(text);
          if (first === undefined) return;
          expect(parsed(formatConnectionString(first))).to.deep.equal(first);
        }),
        { numRuns: 5_000 },
      );
    });

    it('quotes a value that holds =, is empty, or has outer blanks', () => {
      expect(formatConnectionString({ User: '=x', Port: 'a port=1', Database: '', Server: ' s' })).to.equal(
        'User="=x";Port="a port=1";Database="";Server=" s"',
      );
    });

    it('uses canonical names, and refuses unknown ones', async () => {
      expect(formatConnectionString({ host: 'h', port: 1 })).to.equal('Server=h;Port=1');
      await failure(() => formatConnectionString({ Sevrer: 'h' }), SETTINGS, 'UNKNOWN_PROPERTY');
    });
  });
});

/** Milliseconds of the fastest of three readings. */
function fastest(text: string): number {
  const times = [1, 2, 3].map(() => {
    const start = performance.now();
    attempt(text);
    return performance.now() - start;
  });
  return Math.min(...times);
}

/** The properties of `text`, or undefined where it is refused by the rules; anything else is thrown. */
function attempt(text: string): Record<string, string> | undefined {
  try {
    return parsed(text);
  } catch (error) {
    if (
      /^(CONNECTION_STRING_MALFORMED|URI_MALFORMED|UNKNOWN_PROPERTY)$/.test((error as { code: string }).code)
    )
      return undefined;
    throw error;
  }
}

// `fc` has its own names; these are the values that the grammar cares about.
const awkward = fc.string({
  unit: fc.constantFrom('a', '=', ';', '"', "'", '{', '}', ' ', '\t', '\n', '@', '\\', '\u00a0', '😀'),
});
const propertyName = fc.constantFrom<PropertyName[]>(...PROPERTIES.map(({ name }) => name));
const propertiesArbitrary = fc
  .dictionary(
    propertyName,
    fc.oneof(
      awkward,
      // Every code point but U+0000 and the halves of surrogate pairs.
      fc.string({ unit: 'binary', size: 'medium' }).map((text) => text.replaceAll('\0', '')),
    ),
  )
  .map((properties) => ({ ...properties }));
const textArbitrary = fc
  .array(
    fc.oneof(propertyName, awkward, fc.constantFrom('=', ';', 'Port', 'x', '\0', '\ud800', 'Auth Scheme')),
  )
  .map((parts) => parts.join(''));
