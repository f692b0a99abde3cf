import { expect } from 'chai';
import { inspect } from 'node:util';
import { formatConnectionString, parseConnectionString } from '#src/settings/connection-string.js';
import { explainSettings } from '#src/settings/settings.js';
import { failure } from '../support/failure.js';

const SETTINGS = 'POSTGRESQL:SETTINGS';
const parsed = (text: string): Record<string, string> => ({ ...parseConnectionString(text) });
const notesOf = (text: string): string[] => explainSettings(text).notes.map((note) => note.text);
const resolved = (text: string) => explainSettings(text).settings;

/** What libpq reads from a URI, under our names; a code where it refuses. */
type Reading =
  Readonly<Record<string, string>> | 'URI_MALFORMED' | 'UNKNOWN_PROPERTY' | 'CONNECTION_STRING_MALFORMED';

const socket = { Server: '/path/to/socket', Port: '12345' };
const db = { Database: 'db' };
const host = { Server: 'host' };

// The vectors that libpq is tested with (src/interfaces/libpq/t/001_uri.pl of PostgreSQL 18).
const VECTORS: readonly (readonly [uri: string, reading: Reading])[] = [
  [
    'postgresql://uri-user:secret@host:12345/db',
    { User: 'uri-user', Password: 'secret', ...host, Port: '12345', ...db },
  ],
  ['postgresql://uri-user@host:12345/db', { User: 'uri-user', ...host, Port: '12345', ...db }],
  ['postgresql://uri-user@host/db', { User: 'uri-user', ...host, ...db }],
  ['postgresql://host:12345/db', { ...host, Port: '12345', ...db }],
  ['postgresql://host/db', { ...host, ...db }],
  ['postgresql://uri-user@host:12345/', { User: 'uri-user', ...host, Port: '12345' }],
  ['postgresql://uri-user@host/', { User: 'uri-user', ...host }],
  ['postgresql://uri-user@', { User: 'uri-user' }],
  ['postgresql://host:12345/', { ...host, Port: '12345' }],
  ['postgresql://host:12345', { ...host, Port: '12345' }],
  ['postgresql://host/', host],
  ['postgresql://host', host],
  ['postgresql://', {}],
  ['postgresql://?hostaddr=127.0.0.1', { Server: '127.0.0.1' }],
  // Difference: libpq connects to hostaddr and verifies host; here one of them counts, and is noted.
  ['postgresql://example.com?hostaddr=63.1.2.4', { Server: '63.1.2.4' }],
  ['postgresql://%68ost/', host],
  ['postgresql://host/db?user=uri-user', { User: 'uri-user', ...host, ...db }],
  ['postgresql://host/db?user=uri-user&port=12345', { User: 'uri-user', ...host, Port: '12345', ...db }],
  [
    'postgresql://host/db?u%73er=someotheruser&port=12345',
    { User: 'someotheruser', ...host, Port: '12345', ...db },
  ],
  ['postgresql://host/db?u%7aer=someotheruser&port=12345', 'UNKNOWN_PROPERTY'],
  ['postgresql://host:12345?user=uri-user', { User: 'uri-user', ...host, Port: '12345' }],
  ['postgresql://host?user=uri-user', { User: 'uri-user', ...host }],
  ['postgresql://host?  user = uri-user & port  = 12345 ', { User: 'uri-user', ...host, Port: '12345' }],
  ['postgresql://host?  user user  =  uri  & port = 12345 12 ', 'URI_MALFORMED'],
  ['postgresql://host?  user  =  uri-user  & port = 12345 12 ', 'URI_MALFORMED'],
  ['postgresql://host?', host],
  ['postgresql://[::1]:12345/db', { Server: '::1', Port: '12345', ...db }],
  ['postgresql://[::1]/db', { Server: '::1', ...db }],
  ['postgresql://[2001:db8::1234]/', { Server: '2001:db8::1234' }],
  ['postgresql://[200z:db8::1234]/', { Server: '200z:db8::1234' }],
  ['postgresql://[::1]', { Server: '::1' }],
  ['postgres://', {}],
  ['postgres:///', {}],
  ['postgres:///db', db],
  ['postgres://uri-user@/db', { User: 'uri-user', ...db }],
  ['postgres://?host=/path/to/socket/dir', { Server: '/path/to/socket/dir' }],
  ['postgresql://host?uzer=', 'UNKNOWN_PROPERTY'],
  ['postgre://', 'CONNECTION_STRING_MALFORMED'],
  ['postgres://[::1', 'URI_MALFORMED'],
  ['postgres://[]', 'URI_MALFORMED'],
  ['postgres://[::1]z', 'URI_MALFORMED'],
  ['postgresql://host?zzz', 'URI_MALFORMED'],
  ['postgresql://host?value1&value2', 'URI_MALFORMED'],
  ['postgresql://host?key=key=value', 'URI_MALFORMED'],
  ['postgres://host?dbname=%XXfoo', 'URI_MALFORMED'],
  ['postgresql://a%00b', 'URI_MALFORMED'],
  ['postgresql://%zz', 'URI_MALFORMED'],
  ['postgresql://%1', 'URI_MALFORMED'],
  ['postgresql://%', 'URI_MALFORMED'],
  ['postgres://@host', host],
  ['postgres://host:/', host],
  ['postgres://:12345/', { Port: '12345' }],
  ['postgres://otheruser@?host=/no/such/directory', { User: 'otheruser', Server: '/no/such/directory' }],
  ['postgres://otheruser@/?host=/no/such/directory', { User: 'otheruser', Server: '/no/such/directory' }],
  [
    'postgres://otheruser@:12345?host=/no/such/socket/path',
    { User: 'otheruser', Server: '/no/such/socket/path', Port: '12345' },
  ],
  ['postgres://otheruser@:12345/db?host=/path/to/socket', { User: 'otheruser', ...db, ...socket }],
  ['postgres://:12345/db?host=/path/to/socket', { ...db, ...socket }],
  ['postgres://:12345?host=/path/to/socket', socket],
  ['postgres://%2Fvar%2Flib%2Fpostgresql/dbname', { Database: 'dbname', Server: '/var/lib/postgresql' }],
  // Difference: a URI never weakens TLS (P-24).
  ['postgresql://host?sslmode=prefer', { ...host, SSLMode: 'verify-full' }],
  ['postgresql://host?sslmode=verify-full', { ...host, SSLMode: 'verify-full' }],
];

describe('connection URIs', () => {
  for (const [uri, reading] of VECTORS) {
    it(`P-23 reads ${uri} as libpq does`, async () => {
      if (typeof reading === 'string') await failure(() => parsed(uri), SETTINGS, reading);
      else expect(parsed(uri)).to.deep.equal(reading);
    });
  }

  describe('beyond the vectors of libpq', () => {
    const accepted: readonly (readonly [what: string, uri: string, properties: Record<string, string>])[] = [
      [
        'several hosts and which of them is meant, as libpq does',
        'postgresql://u@a,b:5433,[::1]:5434,[::2]/d?target_session_attrs=primary',
        { User: 'u', Server: 'a,b:5433,[::1]:5434,[::2]', Database: 'd', TargetSessionAttrs: 'primary' },
      ],
      ['any case of its scheme', 'PostgreSQL://h', { Server: 'h' }],
      ['blanks and line ends around it', ' \n postgresql://h/d\r\n', { Server: 'h', Database: 'd' }],
      ['a byte order mark in front of it', '\ufeffpostgresql://h', { Server: 'h' }],
      [
        'encoded separators',
        'postgresql://a%40b:p%2Fw%3F%23%3A%3D%26%25@h/x%2Fy',
        { User: 'a@b', Password: 'p/w?#:=&%', Server: 'h', Database: 'x/y' },
      ],
      [
        'UTF-8 behind %, and as it stands',
        'postgresql://%C3%BC@h/日本',
        { User: 'ü', Server: 'h', Database: '日本' },
      ],
      [
        '+ and # as they stand, as libpq does',
        'postgresql://a+b@h/c#d',
        { User: 'a+b', Server: 'h', Database: 'c#d' },
      ],
      ['a colon in the password', 'postgresql://u:a:b@h', { User: 'u', Password: 'a:b', Server: 'h' }],
      ['an empty password', 'postgresql://u:@h', { User: 'u', Server: 'h' }],
      ['& at the end', 'postgresql://h?user=u&', { Server: 'h', User: 'u' }],
      [
        'our own properties',
        'postgresql://u@h/d?AzureTenant=c.example&OAuthClientId=i&OAuthClientSecret=@env:X',
        {
          User: 'u',
          Server: 'h',
          Database: 'd',
          AzureTenant: 'c.example',
          OAuthClientId: 'i',
          OAuthClientSecret: '@env:X',
        },
      ],
      [
        'the names of libpq',
        'postgresql://h?dbname=d&password=p&sslrootcert=/ca&sslnegotiation=direct&application_name=a&connect_timeout=3&require_auth=md5',
        {
          Server: 'h',
          Database: 'd',
          Password: 'p',
          SSLCA: '/ca',
          SSLNegotiation: 'direct',
          ApplicationName: 'a',
          Timeout: '3',
          RequireAuth: 'md5',
        },
      ],
      [
        'a password that looks like a reference, as text',
        'postgresql://u:%40file%3A%2Fx@h',
        { User: 'u', Password: '@@file:/x', Server: 'h' },
      ],
      [
        'the URL of pgjdbc',
        'jdbc:postgresql://h:1/d?user=u&password=p',
        { Server: 'h', Port: '1', Database: 'd', User: 'u', Password: 'p' },
      ],
      ['a URL behind the prefix of CData', 'jdbc:cdata:postgresql://h/d', { Server: 'h', Database: 'd' }],
    ];
    for (const [what, uri, properties] of accepted) {
      it(`reads ${what}`, () => {
        expect(parsed(uri)).to.deep.equal(properties);
        expect(parsed(formatConnectionString(properties))).to.deep.equal(properties);
      });
    }

    const refused: readonly (readonly [what: string, uri: string, words: string])[] = [
      [
        'an empty host among several',
        'postgresql://a,,b/d',
        'one of several hosts is empty at character 15.',
      ],
      [
        'a port alone among several',
        'postgresql://a,:5433/d',
        'one of several hosts is empty at character 15.',
      ],
      [
        'more than 16 hosts',
        `postgresql://${Array.from({ length: 17 }, (_, at) => `h${String(at)}`).join(',')}/d`,
        'it names more than 16 hosts at character 67.',
      ],
      [
        'an @ in the password',
        'postgresql://u:p@w@h/d',
        'an @ in user name or password is not written %40 at character 17.',
      ],
      ['a blank inside', 'postgresql://u@h/a b', 'a blank is not written %20 at character 17.'],
      [
        'bytes that are not UTF-8',
        'postgresql://u@h/%FF',
        'its encoded bytes are not UTF-8 at character 17.',
      ],
      ['half of an encoded surrogate pair', 'postgresql://u@h/%ED%A0%80', 'its encoded bytes are not UTF-8'],
      [
        'a parameter without a name',
        'postgresql://h?a=b&&c=d',
        'a parameter has no = behind its name at character 19.',
      ],
      [
        'an = that is not encoded',
        'postgresql://h?OAuthClientSecret=abc==',
        'an = in a value is not written %3D at character 33.',
      ],
      [
        'text behind an IPv6 address',
        'postgresql://[::1]x',
        'something stands behind the IPv6 address at character 18.',
      ],
      [
        'P-13 more than 1,000 parameters',
        `postgresql://h?${'a=&'.repeat(100_000)}`,
        'it has more than 1,000 parameters at character 3015.',
      ],
    ];
    for (const [what, uri, words] of refused) {
      it(`refuses ${what}, by its offset`, async () => {
        const { message } = await failure(() => parsed(uri), SETTINGS, 'URI_MALFORMED');
        expect(message).to.contain(words);
      });
    }

    it('P-09 P-11 refuses U+0000 and halves of surrogate pairs', async () => {
      for (const text of ['postgresql://a\0b', 'postgresql://a\ud800b'])
        await failure(() => parsed(text), SETTINGS, 'CONNECTION_STRING_MALFORMED');
    });

    it('P-12 takes __proto__ for an unknown parameter', async () => {
      await failure(() => parsed('postgresql://h?__proto__=x&constructor=y'), SETTINGS, 'UNKNOWN_PROPERTY');
    });

    it('P-03 lets a parameter count where the address says otherwise, and notes it', () => {
      expect(notesOf('postgresql://u:p@h/d?user=v&dbname=e')).to.deep.equal([
        'User is given more than once; the last value counts.',
        'Database is given more than once; the last value counts.',
        'dbname is read as Database.',
      ]);
    });
  });

  describe('TLS', () => {
    const TOKEN = 'postgresql://u@h/d?AzureTenant=c.example&OAuthClientId=i&OAuthClientSecret=s';
    const PASSWORD = 'postgresql://u:p@h/d?';

    for (const base of [TOKEN, PASSWORD]) {
      const login = base === TOKEN ? 'a token' : 'a password';
      for (const mode of ['allow', 'prefer', 'require', 'verify-ca', 'VERIFY-CA']) {
        it(`P-24 reads sslmode=${mode} as verify-full with ${login}, and notes it`, () => {
          const { settings, notes } = explainSettings(`${base}&sslmode=${mode}`.replace('?&', '?'));
          expect(settings.server.tls.mode).to.equal('verify-full');
          expect(notes.map(({ text }) => text)).to.deep.equal([
            `SSLMode ${mode.toLowerCase()} is read as verify-full: a URI can only make TLS stricter.`,
          ]);
        });
      }

      for (const parameter of [
        'sslmode=disable',
        'SSL%20Mode=Disable',
        'ssl=false',
        'UseSSL=0',
        'ssl=no-verify',
        'encrypt=no',
      ]) {
        it(`P-24 refuses ${parameter} with ${login}`, async () => {
          const error = await failure(
            () => explainSettings(`${base}&${parameter}`.replace('?&', '?')),
            SETTINGS,
            'PROPERTY_INVALID',
          );
          expect(error.message).to.contain('in a URI, which can only make TLS stricter');
        });
      }
    }

    it('P-24 takes ssl=true, which asks for what is there', () => {
      expect(resolved(`${PASSWORD}ssl=true`).server.tls.mode).to.equal('verify-full');
    });

    it('P-24 takes sslcert and sslpassword for the client certificate', () => {
      const { clientCertificate } = resolved(`${PASSWORD}sslcert=/x&sslpassword=y`).server.tls;
      expect(clientCertificate?.store.reveal()).to.equal('/x');
      expect(clientCertificate?.password?.reveal()).to.equal('y');
    });

    it('P-24 refuses sslkey, and says where the key belongs', async () => {
      const refused = () => explainSettings(`${PASSWORD}sslkey=/x`);
      const { message } = await failure(refused, SETTINGS, 'UNKNOWN_PROPERTY');
      expect(message).to.contain('sslkey (put the private key and its certificate into one PEM file');
    });

    for (const parameter of [
      'options=-c%20search_path%3Dx',
      'replication=database',
      'uselibpqcompat=true',
      'service=x',
      'passfile=/x',
      'sslcrl=/x',
      'fallback_application_name=x',
      'load_balance_hosts=random',
      'channel_binding=disable',
      'gssencmode=prefer',
    ]) {
      it(`P-25 refuses ${parameter} and says why`, async () => {
        const error = await failure(() => parsed(`${PASSWORD}${parameter}`), SETTINGS, 'UNKNOWN_PROPERTY');
        expect(error.message).to.match(/^Unknown property: [a-z_]+ \(.{10,}\)\.$/);
        expect(error.message).not.to.contain('did you mean');
      });
    }

    for (const uri of [
      'postgresql://u:p@/d?host=/var/run/postgresql',
      'postgresql://u:p@%2Fvar%2Frun/d',
      'postgresql://u:p@[200z::1]/d',
    ]) {
      it(`P-22 refuses the server of ${uri}`, async () => {
        const error = await failure(() => resolved(uri), SETTINGS, 'PROPERTY_INVALID');
        expect(error.properties).to.deep.equal(['Server']);
      });
    }
  });

  describe('secrecy', () => {
    const CANARY = 'cAnArY9f3k';
    // Each holds a password, written as people write it, and is wrong.
    const wrong: readonly string[] = [
      `postgres://u:${CANARY}@h,,h2/d`,
      `postgres://u:${CANARY},x@h,h2/d y`,
      `postgres://u:${CANARY}%@h/d`,
      `postgres://u:${CANARY}@h/d?x=y`,
      `postgres://u:${CANARY}@h/d?x`,
      `postgres://u:${CANARY}@h:port/d`,
      `postgres://u:x@${CANARY}@h/d`,
      `postgres://u:x/${CANARY}@h/d`,
      `postgres://u:x/${CANARY}?y=z@h/d`,
      `postgres://u:1/x?${CANARY}=z@h/d`,
      `postgres://u:1/x?${CANARY}@h/d`,
      `postgres://u:x?${CANARY}@h/d?sevrer=${CANARY}`,
      `postgres://u:x#${CANARY} y@h/d`,
      `postgres://u:[${CANARY}@[h/d`,
      `postgres://${CANARY}\0@h/d`,
      `postgres://u:p@h/d?sslmode=${CANARY}`,
      `postgres://u:p@h/d?ssl=${CANARY}`,
      `postgre://u:${CANARY}@h/d`,
      `jdbc:postgresql://h/d?user=u&password=${CANARY}&x=y`,
      `jdbc:mysql://h/d?user=u&password=${CANARY}`,
      `jdbc:postgresql:Password="${CANARY}`,
      `host=h password=${CANARY} user=u`,
    ];
    for (const uri of wrong) {
      it(`P-28 shows no part of ${uri.replaceAll(CANARY, '***').replace('\0', '\\0')}`, () => {
        const error = thrownBy(() => explainSettings(uri));
        expect(error).to.include({ type: SETTINGS });
        const printed = [
          inspect(error, { showHidden: true, depth: Infinity }),
          JSON.stringify(error),
          error.stack,
        ];
        expect(printed.join('\n')).not.to.contain(CANARY);
      });
    }
  });
});

function thrownBy(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected a failure');
}
