import { expect } from 'chai';
import { explainSettings, type EffectiveProperty } from '#src/settings/settings.js';

const SERVER = 'Server=db.contoso.example;Database=flows;User=flow_reader;';
const CLIENT = 'AzureTenant=contoso.onmicrosoft.com;OAuthClientId=i;';
const SECRET = `${SERVER}${CLIENT}OAuthClientSecret=s;`;
const CERTIFICATE = `${SERVER}${CLIENT}OAuthJWTCert=/etc/app.pfx;`;

const namesOf = (text: string): string[] => explainSettings(text).effective.map(({ name }) => name);
const notesOf = (text: string): string[] => explainSettings(text).notes.map((note) => note.text);
function lineOf(text: string, name: string): EffectiveProperty {
  const line = explainSettings(text).effective.find((each) => each.name === name);
  if (line === undefined) throw new Error(`no line for ${name}`);
  return line;
}

describe('explaining', () => {
  const lines: readonly (readonly [text: string, name: string, line: Omit<EffectiveProperty, 'name'>])[] = [
    [`${SECRET}Port=6432`, 'Port', { value: '6432', origin: 'given', note: undefined }],
    [`${SECRET}Port=06432`, 'Port', { value: '6432', origin: 'given', note: undefined }],
    [SECRET, 'Timeout', { value: '60', origin: 'default', note: undefined }],
    [SECRET, 'OAuthClientSecret', { value: '***', origin: 'given', note: undefined }],
    [`${SECRET}Host=h`, 'Server', { value: 'h', origin: 'alias', note: 'given as Host' }],
    [`${SECRET}UseSSL=Yes`, 'UseSSL', { value: 'true', origin: 'given', note: undefined }],
    [
      `${SECRET}AuthScheme=azuread`,
      'AuthScheme',
      { value: 'AzureServicePrincipal', origin: 'given', note: 'given as azuread' },
    ],
    [
      `${SECRET}sslmode=require`,
      'SSLMode',
      { value: 'verify-full', origin: 'given', note: 'given as require' },
    ],
    [
      `${SECRET}Database=`,
      'Database',
      { value: 'flow_reader', origin: 'derived', note: 'the value of User, as the server has it' },
    ],
    [
      `${SERVER}Password=p;UseSSL=false`,
      'SSLMode',
      { value: 'disable', origin: 'derived', note: 'from UseSSL' },
    ],
    [
      `${SERVER}Password=p;SSLMode=disable`,
      'UseSSL',
      { value: 'false', origin: 'derived', note: 'from SSLMode' },
    ],
    [
      `${SERVER}OAuthIssuer=https://x;OAuthClientId=i;OAuthClientSecret=s`,
      'OAuthAudience',
      { value: '', origin: 'derived', note: 'none is asked for, and any is taken' },
    ],
    [
      `${SECRET}PoolMaxSize=0`,
      'UseConnectionPooling',
      { value: 'false', origin: 'derived', note: 'from PoolMaxSize' },
    ],
    [
      `${SERVER}AuthScheme=OAuthToken;OAuthAccessToken=t`,
      'InitiateOAuth',
      { value: 'OFF', origin: 'derived', note: 'OAuthToken uses OAuthAccessToken only' },
    ],
  ];
  for (const [text, name, line] of lines) {
    it(`says of ${name} in ${text.replace(SECRET, '… ')} what counts and where it came from`, () => {
      expect(lineOf(text, name)).to.deep.equal({ name, ...line });
    });
  }

  it('shows the scheme and what is derived from it, and what is found out later as empty', () => {
    const scheme = (text: string): object => ({ ...lineOf(text, 'AuthScheme'), name: undefined });
    expect(scheme(SECRET)).to.include({ value: 'AzureServicePrincipal', note: 'from OAuthClientSecret' });
    expect(scheme(CERTIFICATE)).to.include({ value: 'AzureServicePrincipalCert', note: 'from OAuthJWTCert' });
    expect(lineOf(SECRET, 'AuthScheme').origin).to.equal('derived');
    expect(lineOf(SECRET, 'OAuthPasswordGrantMode')).to.include({ value: 'POST', origin: 'derived' });
    expect(lineOf(SECRET, 'Scope')).to.include({ value: '', origin: 'derived' });
  });

  it('notes what is of no use to a managed identity, which is asked in plain HTTP on the machine', () => {
    const text = `${SERVER}AuthScheme=AzureMSI;ProxyServer=p;ProxyPort=1`;
    expect(notesOf(text)).to.deep.equal([
      'ProxyServer has no effect with AuthScheme AzureMSI.',
      'ProxyPort has no effect with AuthScheme AzureMSI.',
    ]);
    expect(namesOf(text)).not.to.include.any.members(['TokenCA', 'ProxyServer', 'OAuthSettingsKey']);
  });

  it('leaves out what the login makes useless, and what this connector has not', () => {
    const useless = /^(OAuthJWT|Password|OAuthClientAssertion|SSH|FirewallServer|AWS|Kerberos|CallbackURL)/;
    expect(namesOf(SECRET).filter((name) => useless.test(name))).to.deep.equal([]);
    expect(namesOf(CERTIFICATE)).to.include.members([
      'OAuthJWTCert',
      'OAuthJWTCertType',
      'OAuthJWTEncryption',
    ]);
    expect(namesOf(CERTIFICATE)).not.to.include('OAuthClientSecret');
    expect(namesOf(`${SERVER}Password=p`)).not.to.include.any.members(['InitiateOAuth', 'AzureTenant']);
  });

  it('P-10 is fit for a terminal: no control characters, no PEM text', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
    const { effective } = explainSettings({
      ...{ Server: 'h', User: 'u', AzureTenant: 'c.example', OAuthClientId: 'i', OAuthJWTCert: '/x' },
      SSLCA: pem,
      OAuthJWTCertSubject: 'CN=\u001b[31mx\n',
    });
    expect(effective.find(({ name }) => name === 'SSLCA')?.value).to.equal('(PEM text)');
    expect(effective.find(({ name }) => name === 'OAuthJWTCertSubject')?.value).to.equal(
      'CN=\\u001b[31mx\\u000a',
    );
    for (const { value } of effective) expect(value).not.to.match(/\p{Cc}/u);
  });

  const notes: readonly (readonly [given: string, note: string | undefined])[] = [
    ['OAuthAccessToken=t', 'OAuthAccessToken has no effect with InitiateOAuth GETANDREFRESH.'],
    [
      'OAuthIssuer=https://x;AuthScheme=AzureServicePrincipal',
      'OAuthIssuer has no effect with AuthScheme AzureServicePrincipal.',
    ],
    ['CallbackURL=http://localhost:33333', 'CallbackURL has no effect: no browser is ever opened.'],
    ['BatchSize=100', 'BatchSize has no effect: rows are sent in as few statements as the protocol allows.'],
    ['BatchSize=0', undefined],
    ['QueryPassthrough=yes', undefined],
    ['UseSSH=False;SSHPort=22;FirewallType=None', undefined],
    ['SSLMode=require', 'SSLMode require is read as verify-full: a token is sent to a verified server only.'],
    ['ProxyPort=1', 'ProxyPort has no effect without ProxyServer.'],
    ['MaxLogFileSize=1MB', 'MaxLogFileSize has no effect without Logfile.'],
    ['MaxLogFileCount=1', 'MaxLogFileCount has no effect without Logfile.'],
    ['Logfile=/x;MaxLogFileSize=10KB', 'MaxLogFileSize 10KB is read as 100KB: no file is cut smaller.'],
    [
      'Logfile=/x;MaxLogFileCount=1',
      'MaxLogFileCount 1 is read as 2: the one that is written and the one before.',
    ],
    ['Logfile=/x;MaxLogFileSize=100KB;MaxLogFileCount=2', undefined],
    ...['PoolMinSize=1', 'PoolIdleTimeout=1', 'ConnectionLifeTime=1'].map(
      (given) =>
        [
          `UseConnectionPooling=false;${given}`,
          `${given.split('=')[0] ?? ''} has no effect with UseConnectionPooling false.`,
        ] as const,
    ),
    ...['0', '-1'].map(
      (size) =>
        [`PoolMaxSize=${size}`, `PoolMaxSize ${size} is read as UseConnectionPooling=false.`] as const,
    ),
    [
      `OAuthSettingsLocation=memory://x;OAuthSettingsKey=${'k'.repeat(32)}`,
      'OAuthSettingsKey has no effect with a token in memory.',
    ],
    [
      'InitiateOAuth=REFRESH;OAuthAccessToken=t;OAuthExpiresIn=1',
      'OAuthExpiresIn has no effect without OAuthTokenTimestamp.',
    ],
    [
      'InitiateOAuth=REFRESH;OAuthAccessToken=t;OAuthTokenTimestamp=1767225600000',
      'OAuthTokenTimestamp has no effect without OAuthExpiresIn.',
    ],
    ['Port=5432;port=5432;oauth-client_secret=s', undefined],
    ['Port=1;Port=2', 'Port is given more than once; the last value counts.'],
  ];
  for (const [given, note] of notes) {
    it(`notes ${note === undefined ? 'nothing of' : 'that'} ${given}`, () => {
      expect(notesOf(SECRET + given)).to.deep.equal(note === undefined ? [] : [note]);
    });
  }
});
