import { expect } from 'chai';
import { explainSettings, type Settings } from '#src/settings/settings.js';
import type { ErrorCode } from '#src/errors.js';
import { failure } from '../support/failure.js';

const SETTINGS = 'POSTGRESQL:SETTINGS';
const SERVER = 'Server=db;User=u;';
const CLIENT = `${SERVER}AzureTenant=c.example;OAuthClientId=i;`;
const settingsOf = (text: string): Settings => explainSettings(text).settings;
const notesOf = (text: string): string[] => explainSettings(text).notes.map((note) => note.text);
const schemeOf = (text: string): string | undefined =>
  explainSettings(text).effective.find(({ name }) => name === 'AuthScheme')?.value;

/** Kind of identity and credential, and who asks for the token. */
function loginOf(text: string): string {
  const { identity, tokens } = settingsOf(text);
  const credential = 'credential' in identity ? ` ${identity.credential?.kind ?? 'none'}` : '';
  return `${identity.kind}${credential} ${tokens.initiate}`;
}

describe('how to log in', () => {
  const derived: readonly (readonly [text: string, scheme: string, login: string])[] = [
    [`${CLIENT}OAuthClientSecret=s`, 'AzureServicePrincipal', 'entra secret GETANDREFRESH'],
    [`${CLIENT}OAuthJWTCert=/x`, 'AzureServicePrincipalCert', 'entra certificate GETANDREFRESH'],
    [`${CLIENT}OAuthClientAssertion=a`, 'AzureWorkloadIdentity', 'entra assertion GETANDREFRESH'],
    [
      `${CLIENT}OAuthClientSecret=s;OAuthAccessToken=t`,
      'AzureServicePrincipal',
      'entra secret GETANDREFRESH',
    ],
    [
      `${SERVER}OAuthIssuer=https://x;OAuthClientId=i;OAuthClientSecret=s`,
      'OAuthClient',
      'openid secret GETANDREFRESH',
    ],
    [
      `${SERVER}TokenUrl=https://x;OAuthClientId=i;OAuthJWTCert=/x`,
      'OAuthClient',
      'openid certificate GETANDREFRESH',
    ],
    [`${SERVER}OAuthAccessToken=t`, 'OAuthToken', 'supplied OFF'],
    [`${SERVER}Password=p`, 'Password', 'password GETANDREFRESH'],
    [`${CLIENT}Password=p;OAuthClientSecret=s`, 'AzureServicePrincipal', 'entra secret GETANDREFRESH'],
  ];
  for (const [text, scheme, login] of derived) {
    it(`is ${scheme} for ${text.replace(SERVER, '')}`, () => {
      expect({ scheme: schemeOf(text), login: loginOf(text) }).to.deep.equal({ scheme, login });
    });
  }

  const given: readonly (readonly [text: string, login: string])[] = [
    [`${SERVER}AuthScheme=AzureMSI`, 'managed-identity GETANDREFRESH'],
    [`${SERVER}AuthScheme=AzureMSI;OAuthClientId=i`, 'managed-identity GETANDREFRESH'],
    [`${CLIENT}AuthScheme=AzureAD;OAuthGrantType=client;OAuthClientSecret=s`, 'entra secret GETANDREFRESH'],
    [`${CLIENT}AuthScheme=AzureAD;OAuthAccessToken=t`, 'supplied OFF'],
    [`${CLIENT}AuthScheme=AzureAD;OAuthClientAssertion=a`, 'entra assertion GETANDREFRESH'],
    [`${CLIENT}AuthScheme=AzureAD;OAuthJWTCert=/x;OAuthAccessToken=t`, 'entra certificate GETANDREFRESH'],
    [`${CLIENT}AuthScheme=Password;Password=p;OAuthClientSecret=s`, 'password GETANDREFRESH'],
    [
      `${SERVER}AuthScheme=OAuthClient;OAuthGrantType=JWT;OAuthIssuer=https://x;OAuthClientId=i;OAuthJWTCert=/x;OAuthJWTSubject=s`,
      'openid none GETANDREFRESH',
    ],
  ];
  for (const [text, login] of given) {
    it(`is ${login} for ${text.replace(SERVER, '')}`, () => {
      expect(loginOf(text)).to.equal(login);
    });
  }

  const refused: readonly (readonly [text: string, code: ErrorCode, words: string])[] = [
    [
      `${CLIENT}AuthScheme=AzureAD`,
      'PROPERTY_INVALID',
      'AuthScheme=AzureAD: without OAuthClientSecret or OAuthJWTCert it logs in a user by a browser',
    ],
    [
      `${SERVER}AuthScheme=AzurePassword;Password=p`,
      'PROPERTY_UNSUPPORTED',
      'AuthScheme=AzurePassword: it needs a browser or a user',
    ],
    [
      `${SERVER}AuthScheme=Kerberos;KerberosRealm=r`,
      'PROPERTY_UNSUPPORTED',
      'AuthScheme=Kerberos, KerberosRealm: Kerberos is not supported',
    ],
    [`${SERVER}AuthScheme=AwsEC2Roles`, 'PROPERTY_UNSUPPORTED', 'AuthScheme=AwsEC2Roles: AWS IAM logins'],
    [
      `${SERVER}AuthScheme=GCPServiceAccount`,
      'PROPERTY_UNSUPPORTED',
      'AuthScheme=GCPServiceAccount: Google Cloud logins',
    ],
    [
      `${CLIENT}OAuthClientSecret=s;OAuthGrantType=CODE`,
      'PROPERTY_UNSUPPORTED',
      'OAuthGrantType=CODE: it needs a browser',
    ],
    [
      `${CLIENT}OAuthClientSecret=s;OAuthGrantType=PASSWORD`,
      'PROPERTY_UNSUPPORTED',
      'OAuthGrantType=PASSWORD: it needs a browser',
    ],
    [
      `${CLIENT}OAuthClientSecret=s;OAuthGrantType=REFRESH`,
      'PROPERTY_UNSUPPORTED',
      'without a refresh token; use CLIENT',
    ],
    [`${CLIENT}OAuthClientSecret=s;OAuthGrantType=JWT`, 'PROPERTIES_CONFLICT', 'works with OAuthClient only'],
    [
      `${CLIENT}OAuthClientSecret=s;OAuthJWTCert=/x`,
      'PROPERTIES_CONFLICT',
      'Both OAuthClientSecret and OAuthJWTCert are set',
    ],
    [
      `${CLIENT}OAuthClientSecret=s;OAuthJWTCert=/x;OAuthClientAssertion=a`,
      'PROPERTIES_CONFLICT',
      'OAuthClientSecret, OAuthJWTCert and OAuthClientAssertion are set',
    ],
    [
      `${SERVER}AuthScheme=OAuthToken;OAuthAccessToken=t;InitiateOAuth=GETANDREFRESH`,
      'PROPERTIES_CONFLICT',
      'has nothing to obtain a token with',
    ],
    [
      `${CLIENT}OAuthClientSecret=s;KerberosKDC=k;KerberosRealm=r`,
      'PROPERTY_UNSUPPORTED',
      'KerberosKDC, KerberosRealm: Kerberos is not supported',
    ],
  ];
  for (const [text, code, words] of refused) {
    it(`P-19 refuses ${text.replace(SERVER, '')} with advice`, async () => {
      expect((await failure(() => settingsOf(text), SETTINGS, code)).message).to.contain(words);
    });
  }

  describe('InitiateOAuth', () => {
    const SECRET = `${CLIENT}OAuthClientSecret=s;`;

    it('GETANDREFRESH obtains the token; one that is given is noted to be of no effect', () => {
      const text = `${SECRET}InitiateOAuth=getandrefresh;OAuthAccessToken=t;OAuthExpiresIn=60`;
      expect(settingsOf(text).tokens).to.include({ initiate: 'GETANDREFRESH', supplied: undefined });
      expect(notesOf(text)).to.deep.equal([
        'OAuthAccessToken has no effect with InitiateOAuth GETANDREFRESH.',
        'OAuthExpiresIn has no effect with InitiateOAuth GETANDREFRESH.',
      ]);
    });

    it('REFRESH begins with the token that is given, and knows its age', () => {
      const { tokens, identity } = settingsOf(
        `${SECRET}InitiateOAuth=REFRESH;OAuthAccessToken=t;OAuthExpiresIn=3600;OAuthTokenTimestamp=1767225600000`,
      );
      expect(identity.kind).to.equal('entra');
      expect(tokens.supplied?.token.reveal()).to.equal('t');
      expect(tokens.supplied).to.include({ lifetimeMs: 3_600_000, createdAtMs: 1_767_225_600_000 });
    });

    it('OFF uses the token that is given and nothing else', () => {
      const { tokens, identity } = settingsOf(`${SECRET}InitiateOAuth=OFF;OAuthAccessToken=t`);
      expect(identity).to.deep.equal({ kind: 'supplied' });
      expect(tokens.supplied).to.include({ lifetimeMs: undefined, createdAtMs: undefined });
    });

    it('REFRESH needs the first token', async () => {
      const read = () => settingsOf(`${SECRET}InitiateOAuth=REFRESH`);
      const error = await failure(read, SETTINGS, 'PROPERTIES_MISSING');
      expect(error.message).to.equal('Properties are missing: OAuthAccessToken (OAuth).');
    });

    const pasted = [SECRET, `${CLIENT}OAuthJWTCert=/x;`, `${SERVER}AuthScheme=AzureMSI;`];
    for (const text of pasted) {
      it(`OFF beside ${text.replace(SERVER, '')} and no token says what it means and what obtains one`, async () => {
        const read = () => settingsOf(`${text}InitiateOAuth=OFF`);
        const error = await failure(read, SETTINGS, 'PROPERTY_INVALID');
        expect(error.message).to.equal(
          'InitiateOAuth OFF means that only a token of yours is used, and none is given; ' +
            'set it to GETANDREFRESH, or remove it, and the connector obtains one. ' +
            'Missing: OAuthAccessToken (OAuth).',
        );
      });
    }

    it('OFF is not said to be in the way of OAuthToken, which obtains none', async () => {
      const read = () => settingsOf(`${SECRET}AuthScheme=OAuthToken;InitiateOAuth=OFF`);
      await failure(read, SETTINGS, 'PROPERTIES_MISSING');
    });

    it('OFF leaves nothing else of a login to count, and notes what is given of it', () => {
      const text = `${SECRET}InitiateOAuth=OFF;OAuthAccessToken=t;Scope=wrong;AzureAuthority=http://x`;
      const { notes, effective } = explainSettings(text);
      const idle = ['AzureTenant', 'AzureAuthority', 'OAuthClientId', 'OAuthClientSecret', 'Scope'];
      expect(notes.map((note) => note.text)).to.deep.equal(
        idle.map((name) => `${name} has no effect with InitiateOAuth OFF.`),
      );
      expect(effective.map(({ name }) => name)).not.to.include.any.members(idle);
    });

    it('does not count with a password', () => {
      expect(notesOf(`${SERVER}Password=p;InitiateOAuth=OFF`)).to.deep.equal([
        'InitiateOAuth has no effect with AuthScheme Password.',
      ]);
    });
  });

  describe('Scope', () => {
    const wrong = [
      'https://graph.microsoft.com/.default',
      'https://graph.microsoft.us/.default',
      'https://ossrdbms-aad.database.windows.net',
      'openid profile',
    ];
    for (const scope of wrong) {
      it(`refuses ${scope} of Microsoft Entra ID and names the right one`, async () => {
        const text = `${CLIENT}OAuthClientSecret=s;Scope=${scope}`;
        const { message } = await failure(() => settingsOf(text), SETTINGS, 'PROPERTY_INVALID');
        expect(message).to.contain('https://ossrdbms-aad.database.windows.net/.default');
      });
    }

    it('is any scope with another provider', () => {
      const text = `${SERVER}OAuthIssuer=https://x;OAuthClientId=i;OAuthClientSecret=s;Scope=db read`;
      expect(settingsOf(text).identity).to.include({ scope: 'db read' });
    });
  });
});
