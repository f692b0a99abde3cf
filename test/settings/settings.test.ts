import { expect } from 'chai';
import { printable } from '#src/errors.js';
import { formatConnectionString } from '#src/settings/connection-string.js';
import { explainSettings, resolveSettings, type Settings } from '#src/settings/settings.js';
import { failure } from '../support/failure.js';

const SETTINGS = 'POSTGRESQL:SETTINGS';
const SERVER = 'Server=db.contoso.example;Database=flows;User=flow_reader;';
// The two groups of the mission, as printed.
const SECRET_GROUP =
  'InitiateOAuth=GETANDREFRESH; AzureTenant=contoso.onmicrosoft.com; OAuthGrantType=CLIENT; OAuthClientId=11111111-2222-3333-4444-555555555555; OAuthClientSecret=s3cret~value;';
const CERTIFICATE_GROUP =
  'InitiateOAuth=GETANDREFRESH; AzureTenant=contoso.onmicrosoft.com; OAuthGrantType=CLIENT; OAuthClientId=11111111-2222-3333-4444-555555555555; OAuthJWTCert=/etc/app.pfx; OAuthJWTCertType=PFXFILE;';

const SECRET = SERVER + SECRET_GROUP;
const CERTIFICATE = SERVER + CERTIFICATE_GROUP;
const settingsOf = (text: string): Settings => explainSettings(text).settings;
const notesOf = (text: string): string[] => explainSettings(text).notes.map(({ text: note }) => note);
const invalid = (text: string) => failure(() => explainSettings(text), SETTINGS, 'PROPERTY_INVALID');
const plus = (properties: Record<string, string>): string => `${SECRET}${formatConnectionString(properties)}`;

const missing = async (text: string): Promise<readonly string[] | undefined> =>
  (await failure(() => explainSettings(text), SETTINGS, 'PROPERTIES_MISSING')).properties;

function credentialOf(text: string): Record<string, unknown> {
  const { identity } = settingsOf(text);
  if (identity.kind !== 'entra' || identity.credential.kind === 'assertion') throw new Error(identity.kind);
  const { credential } = identity;
  if (credential.kind === 'secret') return { kind: 'secret', secret: credential.secret.reveal() };
  const { kind, store, type, password, subject } = credential;
  return { kind, store: store.reveal(), type, password: password?.reveal(), subject };
}

describe('settings', () => {
  describe('the groups of the documentation', () => {
    const secret = { kind: 'secret', secret: 's3cret~value' };
    const certificate = {
      kind: 'certificate',
      store: '/etc/app.pfx',
      type: 'PFXFILE',
      password: undefined,
      subject: '*',
    };

    it('takes the group with a client secret as printed, without AuthScheme', () => {
      expect(credentialOf(SECRET)).to.deep.equal(secret);
      expect(notesOf(SECRET)).to.deep.equal([]);
    });

    it('takes the group with a certificate as printed, without AuthScheme', () => {
      expect(credentialOf(CERTIFICATE)).to.deep.equal(certificate);
      expect(notesOf(CERTIFICATE)).to.deep.equal([]);
    });

    it('takes password and subject of the certificate', () => {
      const more = 'OAuthJWTCertPassword=pw; OAuthJWTCertSubject="CN=flow, O=""ACME, Inc.""";';
      expect(credentialOf(CERTIFICATE + more)).to.deep.equal({
        ...certificate,
        password: 'pw',
        subject: 'CN=flow, O="ACME, Inc."',
      });
    });

    const schemes: readonly (readonly [given: string, text: string, credential: object])[] = [
      ['AzureServicePrincipal', SECRET, secret],
      ['azureserviceprincipal', SECRET, secret],
      ['AzureServicePrincipalCert', CERTIFICATE, certificate],
      ['AzureAD', SECRET, secret],
      ['AzureAD', CERTIFICATE, certificate],
      ['AzureServicePrincipal', CERTIFICATE, certificate],
    ];
    for (const [given, text, credential] of schemes) {
      it(`takes AuthScheme=${given} with ${text === SECRET ? 'a secret' : 'a certificate'}`, () => {
        expect(credentialOf(`${text}AuthScheme=${given}`)).to.deep.equal(credential);
      });
    }

    it('fills in every default of the table', () => {
      const { identity, ...rest } = settingsOf(SECRET);
      expect(rest).to.deep.include({
        server: {
          hosts: [{ host: 'db.contoso.example', port: 5432 }],
          host: 'db.contoso.example',
          port: 5432,
          target: 'any',
          database: 'flows',
          user: 'flow_reader',
          tls: {
            mode: 'verify-full',
            negotiation: 'postgres',
            ca: undefined,
            pins: undefined,
            clientCertificate: undefined,
          },
          way: { firewall: undefined, ssh: undefined },
          applicationName: 'pg-entra',
          timeZone: 'UTC',
          readOnly: false,
          searchPath: undefined,
          statementTimeoutMs: 0,
          poolerMode: 'none',
        },
        tokens: { initiate: 'GETANDREFRESH', supplied: undefined, location: 'memory://', key: undefined },
        network: { ca: undefined, proxy: { kind: 'none' } },
        pool: { keepsIdle: true, minSize: 0, maxSize: 10, waitMs: 60_000, idleMs: 60_000, lifeMs: 0 },
        reconnection: { strategy: 'NONE', frequencyMs: 2_000, attempts: 2 },
        timeoutMs: 60_000,
        maxRows: undefined,
        connectOnOpen: false,
      });
      expect(identity).to.deep.include({
        kind: 'entra',
        tenant: 'contoso.onmicrosoft.com',
        environment: 'AUTO',
        authority: undefined,
        region: undefined,
        clientId: '11111111-2222-3333-4444-555555555555',
        scope: undefined,
        audience: undefined,
      });
    });

    it('gives the same for the text and for the object of it', () => {
      const object = {
        Server: 'db',
        Database: 'd',
        User: 'u',
        AzureTenant: 'c.example',
        OAuthClientId: 'i',
        OAuthClientSecret: 's',
        Port: 6432,
        UseSSL: true,
      };
      expect(JSON.stringify(resolveSettings(object as never))).to.equal(
        JSON.stringify(settingsOf(formatConnectionString(object))),
      );
    });

    it('is frozen in depth', () => {
      const frozen = (value: unknown): boolean =>
        typeof value !== 'object' ||
        value === null ||
        (Object.isFrozen(value) && Object.values(value).every(frozen));
      expect(frozen(settingsOf(SECRET))).to.equal(true);
      expect(frozen(settingsOf(CERTIFICATE))).to.equal(true);
    });
  });

  describe('what is missing or contradicts', () => {
    it('P-20 lists all missing properties at once, with the group they belong to', async () => {
      const error = await failure(() => explainSettings(''), SETTINGS, 'PROPERTIES_MISSING');
      expect(error.message).to.equal(
        'Properties are missing: Server, User (Authentication); AzureTenant (Azure Authentication); ' +
          'OAuthClientId, OAuthClientSecret or OAuthJWTCert (OAuth).',
      );
      expect(error.properties).to.deep.equal([
        'Server',
        'User',
        'AzureTenant',
        'OAuthClientId',
        'OAuthClientSecret',
      ]);
    });

    const sets: readonly (readonly [given: string, missing: readonly string[]])[] = [
      ['AuthScheme=AzureServicePrincipal', ['AzureTenant', 'OAuthClientId', 'OAuthClientSecret']],
      ['AuthScheme=AzureServicePrincipalCert', ['AzureTenant', 'OAuthClientId', 'OAuthJWTCert']],
      ['AuthScheme=AzureWorkloadIdentity', ['AzureTenant', 'OAuthClientId', 'OAuthClientAssertion']],
      ['AuthScheme=AzureMSI', []],
      ['AuthScheme=OAuthClient', ['OAuthClientId', 'OAuthClientSecret', 'OAuthIssuer']],
      ['AuthScheme=OAuthClient;TokenUrl=https://x/t;OAuthJWTCert=/x', ['OAuthClientId']],
      ['AuthScheme=OAuthToken', ['OAuthAccessToken']],
      ['AuthScheme=Password', ['Password']],
      ['AuthScheme=Password;InitiateOAuth=OFF', ['Password']],
      ['AuthScheme=AzureServicePrincipal;InitiateOAuth=OFF', ['OAuthAccessToken']],
      ['AuthScheme=AzureMSI;InitiateOAuth=REFRESH', ['OAuthAccessToken']],
    ];
    for (const [given, expected] of sets) {
      it(`P-20 lists what is missing with ${given}`, async () => {
        if (expected.length === 0) explainSettings(SERVER + given);
        else expect(await missing(SERVER + given)).to.deep.equal(expected);
      });
    }

    it('P-20 says of a refused scheme that, and not what would follow from it', async () => {
      const text = `${SERVER}AuthScheme=AwsIAMRoles;AWSAccessKey=a;AWSSecretKey=s;AWSRoleARN=r`;
      const error = await failure(() => explainSettings(text), SETTINGS, 'PROPERTY_UNSUPPORTED');
      expect(error.message).to.contain(
        'AuthScheme=AwsIAMRoles, AWSAccessKey, AWSSecretKey, AWSRoleARN: ' +
          'AWS IAM logins are not supported; use Password, or OAuthToken with a token of yours.',
      );
    });

    it('P-20 wants the certificate with AzureServicePrincipalCert', async () => {
      expect(
        await missing(`${SERVER}AzureTenant=c.example;OAuthClientId=i;AuthScheme=AzureServicePrincipalCert`),
      ).to.deep.equal(['OAuthJWTCert']);
      expect(await missing(`${SECRET}AuthScheme=AzureServicePrincipalCert`)).to.deep.equal(['OAuthJWTCert']);
    });

    it('P-20 takes an empty value for a missing one', async () => {
      expect(await missing(`${SECRET}OAuthClientSecret="";User=`)).to.deep.equal([
        'User',
        'OAuthClientSecret',
      ]);
    });

    it('P-20 reports what is wrong and what is missing in one error', async () => {
      const error = await invalid('Port=x;UseSSL=perhaps;Timeout=-1;Database=d;User=u;AzureTenant=common');
      expect(error.properties).to.have.members([
        'UseSSL',
        'Port',
        'Timeout',
        'AzureTenant',
        'Server',
        'OAuthClientId',
        'OAuthClientSecret',
      ]);
      expect(error.message).to.contain(
        ' Missing: Server (Authentication); OAuthClientId, OAuthClientSecret or OAuthJWTCert (OAuth).',
      );
    });

    it('P-19 refuses a secret together with a certificate', async () => {
      const error = await failure(
        () => explainSettings(`${CERTIFICATE}OAuthClientSecret=x`),
        SETTINGS,
        'PROPERTIES_CONFLICT',
      );
      expect(error.properties).to.deep.equal(['OAuthClientSecret', 'OAuthJWTCert']);
    });

    it('notes properties of the certificate that have no effect with a secret', () => {
      expect(notesOf(`${SECRET}OAuthJWTCertPassword=canary;OAuthJWTCertSubject=CN=canary`)).to.deep.equal([
        'OAuthJWTCertPassword has no effect with AuthScheme AzureServicePrincipal.',
        'OAuthJWTCertSubject has no effect with AuthScheme AzureServicePrincipal.',
      ]);
    });

    it('notes an AuthScheme that is read as another one', () => {
      expect(notesOf(`${CERTIFICATE}AuthScheme=AzureServicePrincipal`)).to.deep.equal([
        'AuthScheme AzureServicePrincipal is read as AzureServicePrincipalCert.',
      ]);
      expect(notesOf(`${CERTIFICATE}AuthScheme=AzureServicePrincipalCert`)).to.deep.equal([]);
    });

    it('P-22 refuses UseSSL=false: a token goes over verified TLS only', async () => {
      expect((await invalid(plus({ UseSSL: 'false' }))).message).to.equal(
        'UseSSL must be true: a token is sent over verified TLS only.',
      );
    });

    const LONG = SECRET.replace('s3cret~value', 'x'.repeat(32));
    const keys: readonly (readonly [what: string, text: string, reason: string | undefined])[] = [
      ['a managed identity', `${SERVER}AuthScheme=AzureMSI;`, 'a managed identity has no secret'],
      [
        'a federated token',
        `${SERVER}AzureTenant=c.example;OAuthClientId=i;OAuthClientAssertion=a;`,
        'a federated token is another one each time',
      ],
      ['a short client secret', SECRET, 'the client secret has fewer than 32 characters'],
      [
        'a short client secret of another provider',
        `${SERVER}OAuthIssuer=https://x;OAuthClientId=i;OAuthClientSecret=s;`,
        'the client secret has fewer than 32 characters',
      ],
      ['a long client secret', LONG, undefined],
      ['a certificate', CERTIFICATE, undefined],
      ['a key of its own', `${SECRET}OAuthSettingsKey=${'k'.repeat(32)};`, undefined],
      ['a password, where it does not count', `${SERVER}Password=p;`, undefined],
    ];
    for (const [what, text, reason] of keys) {
      it(`${reason === undefined ? 'takes' : 'refuses'} a file for the token with ${what}`, async () => {
        const read = (): unknown => explainSettings(`${text}OAuthSettingsLocation=/x`);
        if (reason === undefined) return void read();
        const error = await failure(read, SETTINGS, 'PROPERTY_INVALID');
        expect(error.message).to.equal(
          `OAuthSettingsKey is needed to encrypt the file of OAuthSettingsLocation: ${reason}; ` +
            'set it, or set OAuthSettingsLocation to memory://.',
        );
      });
    }

    it('refuses a time of creation in seconds', async () => {
      const token = 'AuthScheme=OAuthToken;OAuthAccessToken=t;OAuthExpiresIn=60;';
      const error = await invalid(`${SERVER}${token}OAuthTokenTimestamp=1767225600`);
      expect(error.message)
        .to.contain('OAuthTokenTimestamp must be')
        .and.contain('milliseconds, not seconds');
    });

    it('takes any PoolMinSize where no session is kept', () => {
      const pool = { UseConnectionPooling: 'false', PoolMinSize: '11' };
      expect(settingsOf(plus(pool)).pool.keepsIdle).to.equal(false);
    });

    it('PoolMaxSize 0 and less keep no session, as CData has it', () => {
      for (const PoolMaxSize of ['0', '-1'])
        expect(settingsOf(plus({ PoolMaxSize })).pool).to.include({ keepsIdle: false, maxSize: 10 });
    });

    for (const date of ['2027-02-31', '2027-13-01', '2027-02-31T00:00:00Z', '2027-02-28T25:00:00Z']) {
      it(`refuses OAuthClientSecretExpires=${date}`, async () => {
        const { properties } = await invalid(plus({ OAuthClientSecretExpires: date }));
        expect(properties).to.deep.equal(['OAuthClientSecretExpires']);
      });
    }

    it('refuses a PoolMinSize above PoolMaxSize', async () => {
      const error = await invalid(plus({ PoolMinSize: '11' }));
      expect(error.properties).to.deep.equal(['PoolMinSize']);
    });
  });

  describe('values', () => {
    const accepted: readonly (readonly [
      row: string,
      name: string,
      value: string,
      path: string,
      expected: unknown,
    ])[] = [
      ['P-15', 'Port', '1', 'server.port', 1],
      ['P-15', 'Port', '65535', 'server.port', 65_535],
      ['P-16', 'Timeout', '0', 'timeoutMs', 0],
      ['P-16', 'Timeout', '2147483', 'timeoutMs', 2_147_483_000],
      ['P-16', 'PoolWaitTime', '0', 'pool.waitMs', 0],
      ['P-21', 'Server', '127.0.0.1', 'server.host', '127.0.0.1'],
      ['P-21', 'Server', '::1', 'server.host', '::1'],
      ['P-21', 'Server', '[::1]', 'server.host', '::1'],
      ['P-21', 'Server', 'db.contoso.example.', 'server.host', 'db.contoso.example.'],
      ['P-21', 'Server', 'DB_1.Contoso.example', 'server.host', 'DB_1.Contoso.example'],
      ['P-21', 'Server', 'xn--mnchen-3ya.example', 'server.host', 'xn--mnchen-3ya.example'],
      ['P-21', 'Server', 'fe80::1%eth0', 'server.host', 'fe80::1%eth0'],
      ['P-21', 'Server', 'münchen.example', 'server.host', 'xn--mnchen-3ya.example'],
      [
        '',
        'AzureTenant',
        'AAAAAAAA-bbbb-cccc-dddd-eeeeeeeeeeee',
        'identity.tenant',
        'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
      ],
      ['', 'AzureTenant', 'Contoso.OnMicrosoft.com', 'identity.tenant', 'contoso.onmicrosoft.com'],
      ['', 'AzureAuthority', 'login.example', 'identity.authority', 'https://login.example'],
      [
        '',
        'AzureAuthority',
        'https://LOGIN.example:8443/',
        'identity.authority',
        'https://login.example:8443',
      ],
      [
        '',
        'Scope',
        'https://ossrdbms-aad.database.windows.net/.default',
        'identity.scope',
        'https://ossrdbms-aad.database.windows.net/.default',
      ],
      ['', 'OAuthSettingsLocation', 'memory://shared', 'tokens.location', 'memory://shared'],
      ['', 'User', 'Flow Reader-ü "x"', 'server.user', 'Flow Reader-ü "x"'],
      ['', 'Database', '日本', 'server.database', '日本'],
      ['P-29', 'User', '${USER}', 'server.user', '${USER}'],
    ];
    for (const [row, name, value, path, expected] of accepted) {
      it(`${row} takes ${name}=${value}`.trimStart(), () => {
        expect(settingsOf(plus({ [name]: value }))).to.have.nested.property(path, expected);
      });
    }

    for (const value of ['True', 'yes', 'YES', '1', 'on', 'TRUE']) {
      it(`P-17 takes UseSSL=${value} for true`, () => {
        expect(settingsOf(plus({ UseSSL: value })).server.port).to.equal(5432);
      });
    }

    const refused: readonly (readonly [row: string, name: string, value: string])[] = [
      ...['0', '-1', '65536', '1e3', '0x10', '5432.0', '٥٤٣٢', '9'.repeat(400), ' 5432 '].map(
        (value) => ['P-15', 'Port', value] as const,
      ),
      ...['-1', 'abc', '1e15', '2147484', '2147483648', 'NaN', 'Infinity'].map(
        (value) => ['P-16', 'Timeout', value] as const,
      ),
      ...['wahr', '2', 'y', 'tru', 'null'].map((value) => ['P-17', 'UseSSL', value] as const),
      ['P-18', 'AuthScheme', 'AzurAD'],
      ['P-18', 'InitiateOAuth', 'ON'],
      ['P-18', 'OAuthGrantType', 'DEVICE'],
      ...[
        // Resolvers would take these for other hosts than they show.
        '127.1',
        '0x7f.1',
        '2130706433',
        '１２７.0.0.1',
        'ｄb.example',
        'db。example',
        'K.example'.replace('K', '\u212a'),
        '[db]',
        'https://db',
        'db:0',
        'db:65536',
        'db:x',
        'db:',
        '::1:x',
        '[::1]:0',
        '[::1',
        'db/x',
        'db,',
        ',',
        'db,,db2',
        'db,https://db2',
        'db,127.1',
        'user@db',
        'db name',
        '[::1',
        '::1]',
        '/var/run/postgresql',
        'a\nb',
        '-db',
        'x'.repeat(255),
        '@db',
        'db?sslmode=disable',
      ].map((value) => [/^\/var/.test(value) ? 'P-22' : 'P-21', 'Server', value] as const),
      ...[
        '\u001b[31m',
        'a\nb',
        'a\u2028b',
        'a\u202eb',
        'a\u2066b',
        'a\u200eb',
        'a\u061cb',
        'a\u0085b',
        'a\u007fb',
      ].flatMap((value) =>
        (['User', 'Database', 'ApplicationName'] as const).map((name) => ['P-10', name, value] as const),
      ),
      ...[
        'common',
        'organizations',
        'consumers',
        'contoso',
        '../x',
        'a..b',
        'contoso.com/x',
        'x'.repeat(300) + '.com',
        '-a.com',
      ].map((value) => ['D-02', 'AzureTenant', value] as const),
      ...[
        'http://login.example',
        'https://login.example/tenant',
        'https://u:p@login.example',
        'https://login.example?x=1',
        'https://login.example/#x',
        'ftp://login.example',
        '://',
        'https://',
      ].map((value) => ['', 'AzureAuthority', value] as const),
      ...['https://x', '/.default', 'a b/.default', 'https://x/.default extra', 'https://x//.default'].map(
        (value) => ['T-36', 'Scope', value] as const,
      ),
      ...['file:///x', 'registry://x', 'https://x'].map(
        (value) => ['', 'OAuthSettingsLocation', value] as const,
      ),
      ...['a\nb', 'x'.repeat(257), 'a\u202eb'].map((value) => ['', 'OAuthClientId', value] as const),
      ['', 'SSLCA', '-----BEGIN PRIVATE KEY-----'],
    ];
    for (const [row, name, value] of refused) {
      it(`${row} refuses ${name}=${printable(value.slice(0, 40))}`.trimStart(), async () => {
        const error = await invalid(plus({ [name]: value }));
        expect(error.properties).to.include(name);
        expect(error.message).to.match(/^[\x20-\x7e…]*$/);
      });
    }

    it('P-18 names the allowed values', async () => {
      expect((await invalid(plus({ AuthScheme: 'AzurAD' }))).message).to.equal(
        'AuthScheme must be one of AzureServicePrincipal, AzureServicePrincipalCert, AzureAD, ' +
          'AzureWorkloadIdentity, OAuthClient, AzureMSI, OAuthToken, Password.',
      );
    });

    it('P-18 refuses a kind of store that is unknown', async () => {
      await invalid(`${CERTIFICATE}OAuthJWTCertType=PFX`);
    });

    for (const name of [
      'Server',
      'AzureTenant',
      'AzureAuthority',
      'Scope',
      'OAuthClientId',
      'Port',
      'User',
    ]) {
      it(`P-14 checks ${name} of 1 MB in linear time`, () => {
        const time = (length: number): number => {
          const text = plus({ [name]: `https://${'a.-/'.repeat(length / 4)}` });
          const once = (): number => {
            const start = performance.now();
            try {
              explainSettings(text);
            } catch (error) {
              expect(error).to.include({ code: 'PROPERTY_INVALID' });
            }
            return performance.now() - start;
          };
          return Math.min(once(), once(), once());
        };
        time(1_000); // warm
        expect(time(900_000) / Math.max(time(90_000), 1)).to.be.lessThan(60);
      });
    }
  });

  describe('the environment of the process', () => {
    const before: Record<string, string | undefined> = {};
    const variables = {
      ...{ PGHOST: 'x', PGPORT: '1', PGUSER: 'x', PGPASSWORD: 'x', PGDATABASE: 'x', PGSSLMODE: 'disable' },
      ...{ PGOPTIONS: '-c x=y', PGSSLNEGOTIATION: 'direct', PGCONNECT_TIMEOUT: '1', PGAPPNAME: 'x' },
      ...{ PGSSLROOTCERT: '/x', PGREQUIREAUTH: 'none', PGSERVICE: 'x', PGPASSFILE: '/x', PGTZ: 'x' },
      ...{ HTTPS_PROXY: 'http://x:1', HTTP_PROXY: 'http://x:1', NO_PROXY: '*', ALL_PROXY: 'http://x:1' },
      ...{ NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_EXTRA_CA_CERTS: '/x' },
      ...{ AZURE_TENANT_ID: 'x', AZURE_CLIENT_ID: 'x', AZURE_CLIENT_SECRET: 'x', AZURE_AUTHORITY_HOST: 'x' },
    };

    beforeEach(() => {
      for (const [name, value] of Object.entries(variables)) {
        before[name] = process.env[name];
        process.env[name] = value;
      }
    });
    afterEach(() => {
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = value;
      }
    });

    it('P-26 P-27 changes no setting, neither of libpq nor of proxies, TLS and Azure', async () => {
      for (const text of [SECRET, 'postgresql://u:p@h', `${SECRET}Database=;Port=`]) {
        const { settings, effective } = explainSettings(text);
        const outside = explainSettings(text, { environment: {} });
        expect(settings).to.deep.equal(outside.settings);
        expect(effective).to.deep.equal(outside.effective);
        expect(JSON.stringify([settings, effective])).not.to.match(/"x"|"direct"|"disable"|x:1/);
      }
      expect(await missing('')).to.include.members(['Server', 'User', 'AzureTenant']);
    });

    it('P-27 chooses the proxy variables only when it is asked to', () => {
      expect(settingsOf(SECRET).network.proxy).to.deep.equal({ kind: 'none' });
      expect(settingsOf(`${SECRET}ProxyAutoDetect=true`).network.proxy).to.deep.equal({
        kind: 'environment',
      });
    });
  });
});
