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
      'SSLServerCert: pin the authority of the server with SSLCA instead.',
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

describe('the proxy', () => {
  const fixed = { kind: 'fixed', user: undefined, password: undefined, exceptions: [] };
  const accepted: readonly (readonly [given: string, proxy: object])[] = [
    ['', { kind: 'none' }],
    ['ProxyAutoDetect=true', { kind: 'environment' }],
    ['ProxyServer=p', { ...fixed, protocol: 'http', host: 'p', port: 80 }],
    ['ProxyServer=p;ProxySSLType=ALWAYS', { ...fixed, protocol: 'https', host: 'p', port: 443 }],
    ['ProxyServer=https://p;ProxySSLType=TUNNEL', { ...fixed, protocol: 'http', host: 'p', port: 80 }],
    ['ProxyServer=http://p:3128', { ...fixed, protocol: 'http', host: 'p', port: 3_128 }],
    ['ProxyServer=http://p:3128;ProxyPort=8080', { ...fixed, protocol: 'http', host: 'p', port: 8_080 }],
    ['ProxyServer=socks5h://[::1]', { ...fixed, protocol: 'socks5', host: '::1', port: 1_080 }],
    ['ProxyServer=p;ProxyUser=u;ProxyAuthScheme=NONE', { ...fixed, protocol: 'http', host: 'p', port: 80 }],
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
