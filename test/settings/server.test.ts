import { expect } from 'chai';
import { explainSettings, type Settings } from '#src/settings/settings.js';
import type { ErrorCode } from '#src/errors.js';
import { failure } from '../support/failure.js';

const SETTINGS = 'POSTGRESQL:SETTINGS';
const TOKEN = 'Server=db;User=u;AzureTenant=c.example;OAuthClientId=i;OAuthClientSecret=s;';
const PASSWORD = 'Server=db;User=u;Password=p;';
const settingsOf = (text: string): Settings => explainSettings(text).settings;
const notesOf = (text: string): string[] => explainSettings(text).notes.map((note) => note.text);

describe('TLS to the server', () => {
  const modes: readonly (readonly [login: string, given: string, mode: string, note?: string])[] = [
    [TOKEN, '', 'verify-full'],
    [TOKEN, 'UseSSL=true;SSLMode=Verify-Full', 'verify-full'],
    ...['allow', 'prefer', 'require', 'verify-ca'].map(
      (mode) =>
        [
          TOKEN,
          `SSLMode=${mode}`,
          'verify-full',
          `SSLMode ${mode} is read as verify-full: a token is sent to a verified server only.`,
        ] as const,
    ),
    [PASSWORD, '', 'verify-full'],
    [PASSWORD, 'SSLMode=verify-ca', 'verify-ca'],
    [PASSWORD, 'sslmode=require', 'require'],
    [PASSWORD, 'ssl mode=DISABLE', 'disable'],
    [PASSWORD, 'UseSSL=false', 'disable'],
    [PASSWORD, 'UseSSL=false;SSLMode=disable', 'disable'],
    ...['allow', 'prefer'].map(
      (mode) =>
        [
          PASSWORD,
          `SSLMode=${mode}`,
          'verify-full',
          `SSLMode ${mode} is read as verify-full: it would fall back to no encryption without a word.`,
        ] as const,
    ),
  ];
  for (const [login, given, mode, note] of modes) {
    const kind = login === TOKEN ? 'token' : 'password';
    it(`P-24 is ${mode} with a ${kind} and ${given === '' ? 'nothing else' : given}`, () => {
      expect(settingsOf(login + given).server.tls.mode).to.equal(mode);
      expect(notesOf(login + given)).to.deep.equal(note === undefined ? [] : [note]);
    });
  }

  const pem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
  const beside: readonly (readonly [given: string, mode: string, ...notes: string[]])[] = [
    [
      `SSLMode=require;SSLCA=${pem}`,
      'verify-ca',
      'SSLMode require is read as verify-ca: with SSLCA the certificate of the server is verified, as libpq does.',
    ],
    [
      'SSLMode=require;SSLCA=system',
      'verify-full',
      'SSLMode require is read as verify-full: with SSLCA the certificate of the server is verified, as libpq does.',
    ],
    [`SSLMode=verify-ca;SSLCA=${pem}`, 'verify-ca'],
    [
      `SSLMode=disable;SSLCA=${pem};SSLNegotiation=direct`,
      'disable',
      'SSLNegotiation has no effect with SSLMode disable.',
      'SSLCA has no effect with SSLMode disable.',
    ],
    [`UseSSL=false;SSLCA=${pem}`, 'disable', 'SSLCA has no effect with SSLMode disable.'],
    ...['disable', 'require'].map(
      (mode) =>
        [
          `SSLMode=${mode};RequireAuth=PASSWORD`,
          mode,
          `RequireAuth PASSWORD counts as MD5 with SSLMode ${mode}: the password itself is given to a verified server only.`,
        ] as const,
    ),
    ['RequireAuth=PASSWORD', 'verify-full'],
  ];
  for (const [given, mode, ...notes] of beside) {
    it(`P-24 is ${mode} with a password and ${given.split('\n')[0] ?? ''}, and notes what comes of the rest`, () => {
      expect(settingsOf(PASSWORD + given).server.tls.mode).to.equal(mode);
      expect(notesOf(PASSWORD + given)).to.deep.equal(notes);
    });
  }

  const refused: readonly (readonly [text: string, code: ErrorCode, words: string])[] = [
    [
      `${TOKEN}UseSSL=false`,
      'PROPERTY_INVALID',
      'UseSSL must be true: a token is sent over verified TLS only.',
    ],
    [
      `${TOKEN}SSLMode=disable`,
      'PROPERTY_INVALID',
      'SSLMode must not be disable: a token is sent over verified TLS only.',
    ],
    [
      `${PASSWORD}UseSSL=false;SSLMode=require`,
      'PROPERTIES_CONFLICT',
      'UseSSL and SSLMode=require contradict each other.',
    ],
    [
      `${PASSWORD}UseSSL=true;SSLMode=disable`,
      'PROPERTIES_CONFLICT',
      'UseSSL and SSLMode=disable contradict each other.',
    ],
    [
      `${PASSWORD}SSLServerCert=*`,
      'PROPERTY_UNSUPPORTED',
      'SSLServerCert: any certificate would be taken; write the SHA-256 thumbprint of the one that the server has',
    ],
    [
      `${PASSWORD}SSLMode=weak`,
      'PROPERTY_INVALID',
      'SSLMode must be one of verify-full, verify-ca, require, prefer, allow, disable.',
    ],
  ];
  for (const [text, code, words] of refused) {
    it(`P-24 refuses ${text.replace(TOKEN, 'a token, ').replace(PASSWORD, 'a password, ')}`, async () => {
      expect((await failure(() => settingsOf(text), SETTINGS, code)).message).to.contain(words);
    });
  }
});

describe('the hosts', () => {
  const REST = 'User=u;Password=p;';
  const hostsOf = (text: string): string[] =>
    settingsOf(REST + text).server.hosts.map(({ host, port }) => `${host} ${port}`);
  const sixteen = Array.from({ length: 16 }, (_, at) => `h${at}`);

  const read: readonly (readonly [given: string, hosts: string[], ...notes: string[]])[] = [
    ['Server=a', ['a 5432']],
    ['Server=a;Port=5433', ['a 5433']],
    ['Server=a,b:5433', ['a 5432', 'b 5433']],
    ['Server=a , b:5433 ;Port=6000', ['a 6000', 'b 5433']],
    ['Server=::1,[::1]:5433,[2001:db8::1]', ['::1 5432', '::1 5433', '2001:db8::1 5432']],
    [`Server=${sixteen.join(',')}`, sixteen.map((name) => `${name} 5432`)],
    ['Server=a:1,b:2;Port=6000', ['a 1', 'b 2'], 'Port has no effect where Server gives every host a port.'],
    [
      'Server=a,b,A:5432,a:5433',
      ['a 5432', 'b 5432', 'a 5433'],
      'Server names a host and port more than once; it is tried once.',
    ],
  ];
  for (const [given, hosts, ...notes] of read) {
    it(`are ${hosts.join(', ')} for ${given}`, () => {
      expect(hostsOf(given)).to.deep.equal(hosts);
      expect(notesOf(REST + given)).to.deep.equal(notes);
      const { server } = settingsOf(REST + given);
      expect(`${server.host} ${server.port}`).to.equal(hosts[0]);
      expect(Object.isFrozen(server.hosts) && Object.isFrozen(server.hosts[0])).to.equal(true);
    });
  }

  it('P-21 are at most sixteen', async () => {
    const error = await failure(
      () => settingsOf(`${REST}Server=${sixteen.join(',')},one-more`),
      SETTINGS,
      'PROPERTY_INVALID',
    );
    expect(error.message).to.contain('Server must not name more than 16 hosts');
  });

  const TARGETS: readonly (readonly [given: string, target: string, ...notes: string[]])[] = [
    ['', 'any'],
    ['TargetSessionAttrs=Primary', 'primary'],
    ['target_session_attrs=standby', 'standby'],
    [
      'targetServerType=preferSecondary',
      'prefer-standby',
      'targetServerType is read as TargetSessionAttrs.',
      'TargetSessionAttrs preferSecondary is read as prefer-standby.',
    ],
    ...(
      [
        ['read-write', 'primary'],
        ['master', 'primary'],
        ['secondary', 'standby'],
        ['slave', 'standby'],
        ['prefer-secondary', 'prefer-standby'],
      ] as const
    ).map(
      ([word, target]) =>
        [`TargetSessionAttrs=${word}`, target, `TargetSessionAttrs ${word} is read as ${target}.`] as const,
    ),
  ];
  for (const [given, target, ...notes] of TARGETS) {
    it(`are looked through for ${target} with ${given === '' ? 'nothing else' : given}`, () => {
      expect(settingsOf(`${REST}Server=a;${given}`).server.target).to.equal(target);
      expect(notesOf(`${REST}Server=a;${given}`)).to.deep.equal(notes);
    });
  }

  for (const [word, code, words] of [
    ['read-only', 'PROPERTY_UNSUPPORTED', 'use standby'],
    ['prefer-primary', 'PROPERTY_UNSUPPORTED', 'use primary'],
    ['preferPrimary', 'PROPERTY_UNSUPPORTED', 'use primary'],
    ['leader', 'PROPERTY_INVALID', 'must be one of any, primary, standby, prefer-standby'],
  ] as const) {
    it(`P-18 are not looked through for ${word}`, async () => {
      const text = `${REST}Server=a;TargetSessionAttrs=${word}`;
      expect((await failure(() => settingsOf(text), SETTINGS, code)).message).to.contain(words);
    });
  }
});

describe('the reconnection strategy', () => {
  for (const [given, reconnection, ...notes] of [
    ['', { strategy: 'NONE', frequencyMs: 2_000, attempts: 2 }],
    [
      'ReconnectionStrategy=standard;ReconnectionAttempts=5;ReconnectionFrequency=100',
      { strategy: 'STANDARD', frequencyMs: 100, attempts: 5 },
    ],
    [
      'ReconnectionStrategy=FOREVER;ReconnectionAttempts=5',
      { strategy: 'FOREVER', frequencyMs: 2_000, attempts: 5 },
      'ReconnectionAttempts has no effect with ReconnectionStrategy FOREVER.',
    ],
    [
      'ReconnectionFrequency=500',
      { strategy: 'NONE', frequencyMs: 500, attempts: 2 },
      'ReconnectionFrequency has no effect with ReconnectionStrategy NONE.',
    ],
  ] as const) {
    it(`is ${reconnection.strategy} with ${given === '' ? 'nothing else' : given}`, () => {
      expect(settingsOf(PASSWORD + given).reconnection).to.deep.equal(reconnection);
      expect(notesOf(PASSWORD + given)).to.deep.equal(notes);
    });
  }

  for (const given of ['Strategy=ALWAYS', 'Frequency=2', 'Attempts=0', 'Attempts=-1']) {
    it(`P-15 P-18 refuses Reconnection${given}`, () =>
      failure(() => settingsOf(`${PASSWORD}Reconnection${given}`), SETTINGS, 'PROPERTY_INVALID'));
  }
});

describe('the proxy', () => {
  const fixed = { kind: 'fixed', user: undefined, password: undefined, exceptions: [] };
  const accepted: readonly (readonly [given: string, proxy: object])[] = [
    ['', { kind: 'none' }],
    ['ProxyAutoDetect=true', { kind: 'environment' }],
    ['ProxyServer=p', { ...fixed, protocol: 'http', host: 'p', port: 80 }],
    ['ProxyServer=p;ProxySSLType=ALWAYS', { ...fixed, protocol: 'https', host: 'p', port: 443 }],
    ['ProxyServer=http://p:3128', { ...fixed, protocol: 'http', host: 'p', port: 3_128 }],
    ['ProxyServer=http://p:3128;ProxyPort=3128', { ...fixed, protocol: 'http', host: 'p', port: 3_128 }],
    ['ProxyServer=socks5h://[::1]', { ...fixed, protocol: 'socks5', host: '::1', port: 1_080 }],
    [
      'ProxyServer=socks5://p;ProxyUser=domain:u',
      { ...fixed, protocol: 'socks5', host: 'p', port: 1_080, user: 'domain:u' },
    ],
    ['ProxyServer=p;ProxyUser=u', { ...fixed, protocol: 'http', host: 'p', port: 80, user: 'u' }],
    [
      'ProxyServer=p;ProxyExceptions="a; .b,c ;"',
      { ...fixed, protocol: 'http', host: 'p', port: 80, exceptions: ['a', '.b', 'c'] },
    ],
  ];
  for (const [given, proxy] of accepted) {
    it(`is ${JSON.stringify(proxy)} for ${given === '' ? 'nothing' : given}`, () => {
      expect(settingsOf(TOKEN + given).network.proxy).to.deep.equal(proxy);
      expect(notesOf(TOKEN + given)).to.deep.equal([]);
    });
  }

  const overridden: readonly (readonly [given: string, proxy: object, ...notes: string[]])[] = [
    ...['TUNNEL', 'NEVER'].map(
      (type) =>
        [
          `ProxyServer=https://p;ProxySSLType=${type}`,
          { ...fixed, protocol: 'http', host: 'p', port: 80 },
          `ProxyServer https:// is read as http:// with ProxySSLType ${type}.`,
        ] as const,
    ),
    [
      'ProxyServer=https://p:99;ProxyPort=8080',
      { ...fixed, protocol: 'https', host: 'p', port: 8_080 },
      'ProxyPort 8080 counts, not the port in ProxyServer.',
    ],
    [
      'ProxyServer=p;ProxyUser=u;ProxyPassword=w;ProxyAuthScheme=NONE',
      { ...fixed, protocol: 'http', host: 'p', port: 80 },
      'ProxyUser has no effect with ProxyAuthScheme NONE.',
      'ProxyPassword has no effect with ProxyAuthScheme NONE.',
    ],
  ];
  for (const [given, proxy, ...notes] of overridden) {
    it(`is ${JSON.stringify(proxy)} for ${given}, which is noted`, () => {
      expect(settingsOf(TOKEN + given).network.proxy).to.deep.equal(proxy);
      expect(notesOf(TOKEN + given)).to.deep.equal(notes);
    });
  }

  it('has a password beside a user only', () => {
    expect(notesOf(`${TOKEN}ProxyServer=p;ProxyPassword=w`)).to.deep.equal([
      'ProxyPassword has no effect without ProxyUser.',
    ]);
  });

  it('holds its password as a secret', () => {
    const { proxy } = settingsOf(`${TOKEN}ProxyServer=p;ProxyUser=u;ProxyPassword=w`).network;
    if (proxy.kind !== 'fixed') throw new Error('a proxy was given');
    expect({ user: proxy.user, password: proxy.password?.reveal() }).to.deep.equal({
      user: 'u',
      password: 'w',
    });
  });

  const refused: readonly (readonly [given: string, code: ErrorCode])[] = [
    ...['u:p@h', 'http://u:p@h', 'ftp://h', 'h/x', 'http://h:0', 'http://h:65536', 'h,i', ''].map(
      (server) => [`ProxyServer=http://${server}`, 'PROPERTY_INVALID'] as const,
    ),
    ['ProxyServer=h;ProxyPort=0', 'PROPERTY_INVALID'],
    ['ProxyServer=h;ProxyUser=domain:u', 'PROPERTY_INVALID'],
    ['ProxyServer=https://h;ProxyUser=domain:u', 'PROPERTY_INVALID'],
    ['ProxyServer=socks5://h;ProxyUser="u\u0007v"', 'PROPERTY_INVALID'],
    ['ProxyServer=socks5://h;ProxySSLType=ALWAYS', 'PROPERTY_INVALID'],
    ['ProxyServer=h;ProxyAutoDetect=true', 'PROPERTIES_CONFLICT'],
    ['ProxyServer=h;ProxyAuthScheme=NTLM', 'PROPERTY_UNSUPPORTED'],
  ];
  for (const [given, code] of refused) {
    it(`refuses ${given}`, async () => {
      const { message } = await failure(() => settingsOf(TOKEN + given), SETTINGS, code);
      expect(message).not.to.contain('u:p');
    });
  }

  for (const name of [
    'ProxyPort=1',
    'ProxyUser=u',
    'ProxyPassword=p',
    'ProxyExceptions=x',
    'ProxySSLType=NEVER',
  ]) {
    it(`is not made by ${name} alone, which is noted`, () => {
      expect(settingsOf(TOKEN + name).network.proxy).to.deep.equal({ kind: 'none' });
      expect(notesOf(TOKEN + name)).to.deep.equal([
        `${name.split('=')[0]} has no effect without ProxyServer.`,
      ]);
    });
  }
});
