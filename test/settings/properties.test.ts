import { expect } from 'chai';
import { FORMATS } from '#src/auth/key-store/formats.js';
import { FOREIGN_NAMES } from '#src/settings/foreign-names.js';
import { findProperty, foldName, PROPERTIES, propertyOf, type Property } from '#src/settings/properties.js';
import {
  isActive,
  PROPERTY_GROUPS,
  requirementsOf,
  takesReference,
  type PropertyCondition,
} from '#src/settings/property.js';

const TABLE: readonly Property[] = PROPERTIES;
const DECIDING = ['AuthScheme', 'InitiateOAuth', 'OAuthGrantType', 'FirewallType', 'UseSSH', 'SSHAuthMode'];

// What CData's PostgreSQL drivers have, builds 21 to 25, group by group.
const CDATA = `
  AuthScheme Server Database User Password Port UseSSL Visibility
  AWSAccessKey AWSSecretKey AWSRoleARN AWSExternalId
  AzureTenant
  InitiateOAuth OAuthClientId OAuthClientSecret OAuthGrantType Scope OAuthAccessToken OAuthRefreshToken
  OAuthExpiresIn OAuthTokenTimestamp OAuthSettingsLocation CallbackURL OAuthVerifier
  OAuthJWTCert OAuthJWTCertType OAuthJWTCertPassword OAuthJWTCertSubject
  KerberosKDC KerberosRealm KerberosSPN KerberosKeytabFile KerberosServiceRealm KerberosServiceKDC
  KerberosTicketCache KerberosUser
  SSLClientCert SSLClientCertType SSLClientCertPassword SSLClientCertSubject SSLServerCert
  UseSSH SSHAuthMode SSHServer SSHPort SSHUser SSHPassword SSHServerFingerprint
  SSHClientCert SSHClientCertType SSHClientCertPassword SSHClientCertSubject
  FirewallType FirewallServer FirewallPort FirewallUser FirewallPassword
  Logfile Verbosity LogModules MaxLogFileSize MaxLogFileCount
  Location BrowsableSchemas IgnoredSchemas Tables Views
  AllowPreparedStatement BatchSize BrowsePartitions ConnectionLifeTime ConnectOnOpen FetchResultSetMetadata
  IncludeTableTypes InsertMode MaxRows Other PoolIdleTimeout PoolMaxSize PoolMinSize PoolWaitTime
  UseConnectionPooling PseudoColumns QueryPassthrough Readonly RTK Timeout TimeZone`;
const PROXY = `ProxyAutoDetect ProxyServer ProxyPort ProxyAuthScheme ProxyUser ProxyPassword ProxySSLType
  ProxyExceptions`;
const OWN = `
  AzureEnvironment AzureAuthority AzureRegion OAuthClientSecretFallback OAuthJWTCertFallback
  OAuthClientSecretExpires OAuthSettingsKey OAuthClientAssertion OAuthIssuer OAuthAccessTokenURL
  OAuthPasswordGrantMode OAuthAudience SSLMode SSLNegotiation SSLCA TokenCA ApplicationName
  OAuthJWTCertKeyPassword OAuthJWTEncryption OAuthJWTSendX5C OAuthJWTSubject OAuthJWTAudience RequireAuth
  TargetSessionAttrs ReconnectionStrategy ReconnectionFrequency ReconnectionAttempts`;
const namesIn = (text: string): string[] => text.trim().split(/\s+/);

function expectCondition(condition: PropertyCondition): void {
  expect(condition).not.to.be.empty;
  for (const [name, values] of Object.entries(condition)) {
    expect(DECIDING).to.include(name);
    expect(values).not.to.be.empty;
    const { kind, choices = [] } = findProperty(name)!;
    expect(kind === 'boolean' ? ['true', 'false'] : choices).to.include.members([...values]);
  }
}

/** Whether `narrow` holds only where `wide` does. */
function isWithin(narrow: PropertyCondition, wide: PropertyCondition): boolean {
  return Object.entries(wide).every(
    ([name, values]) => narrow[name]?.every((value) => values.includes(value)) ?? false,
  );
}

describe('the table of properties', () => {
  for (const property of TABLE) {
    describe(property.name, () => {
      const { name, title, aliases = [], kind, choices, range, unit, group, help } = property;

      it('is found by its name, its title and its aliases, in any case', () => {
        for (const spelling of [name, title, ...aliases]) {
          expect(findProperty(spelling)).to.equal(property);
          expect(findProperty(spelling.toUpperCase())).to.equal(property);
        }
        expect(propertyOf(name)).to.equal(property);
        for (const alias of aliases) expect(foldName(alias), 'needless').not.to.equal(foldName(name));
      });

      it('has a title that is its name with blanks, and a help text of whole sentences', () => {
        expect(title.replaceAll(' ', '')).to.equal(name);
        expect(help).to.match(/^[A-Z].*\.$/s);
        expect(help).not.to.contain('\n');
        expect(help.trim()).to.equal(help);
      });

      it('has a group, and choices, a range and a unit only where its kind has them', () => {
        expect(PROPERTY_GROUPS).to.have.property(group);
        expect(choices !== undefined, 'choices').to.equal(kind === 'choice');
        expect(range !== undefined, 'range').to.equal(kind === 'integer');
        if (unit !== undefined) expect(kind).to.equal('integer');
        if (choices) expect(new Set(choices.map(foldName)).size).to.equal(choices.length);
        if (range) expect(range[0]).to.be.lessThan(range[1]);
      });

      it('has reasons for what it refuses, which go on behind a colon', () => {
        const { refused = {}, unsupported, inert, neutral } = property;
        const reasons = [...Object.values(refused), unsupported, inert].filter((text) => text !== undefined);
        for (const reason of reasons)
          expect(reason).to.match(/^([a-z]|PostgreSQL|Kerberos|SSH|SQL|AWS|Google).*[^.]$/);
        for (const choice of Object.keys(refused))
          expect(choices?.map(foldName), choice).not.to.include(foldName(choice));
        expect(unsupported !== undefined && inert !== undefined, 'both').to.equal(false);
        if (neutral && isActive(property))
          expect(
            property.visibleWhen ?? property.beside,
            'neutral values are of what may not count',
          ).not.to.equal(undefined);
      });

      it('has at most one of a default, a derivation and a duty, and a default that it accepts itself', () => {
        const { default: value, derived, required, secret } = property;
        expect(
          [value, derived, required === true ? '' : undefined].filter((each) => each !== undefined).length,
        ).to.be.at.most(1);
        if (!isActive(property))
          expect([value, derived, required], 'inactive').to.deep.equal([undefined, undefined, undefined]);
        if (secret) expect(value, 'a secret has no default').to.equal(undefined);
        if (value === undefined) return;
        if (choices) expect(choices).to.include(value);
        if (kind === 'boolean') expect(value).to.be.oneOf(['true', 'false']);
        if (range) {
          expect(value).to.match(/^-?\d+$/);
          expect(Number(value)).to.be.within(range[0], range[1]);
        }
      });

      it('has conditions on existing choices, and is shown wherever it is required', () => {
        const { visibleWhen, required, instead = [], beside } = property;
        if (visibleWhen) expectCondition(visibleWhen);
        if (beside !== undefined) expect(findProperty(beside)?.name).to.equal(beside);
        for (const other of instead) expect(findProperty(other)?.name).to.equal(other);
        if (required === true) {
          expect(visibleWhen, 'what is always required is always shown').to.equal(undefined);
          return;
        }
        for (const condition of requirementsOf(property)) {
          expectCondition(condition);
          expect(isWithin(condition, visibleWhen ?? {}), 'required where it is not shown').to.equal(true);
        }
      });

      it('P-16 has no range of seconds beyond what a timer can wait', () => {
        if (unit === 'seconds' && name !== 'OAuthExpiresIn')
          expect(range?.[1] ?? Infinity).to.be.at.most(2_147_483);
      });
    });
  }

  it('has every property of CData, the proxy group and our own, and no other', () => {
    const expected = [...namesIn(CDATA), ...namesIn(PROXY), ...namesIn(OWN)];
    expect(TABLE.map(({ name }) => name)).to.have.members(expected);
  });

  it('has no spelling that two properties share', () => {
    const owners = new Map<string, string>();
    for (const { name, title, aliases = [] } of TABLE) {
      for (const spelling of new Set([name, title, ...aliases].map(foldName))) {
        expect(owners.get(spelling), spelling).to.equal(undefined);
        owners.set(spelling, name);
      }
    }
  });

  it('has no property that is told to be a name of other drivers', () => {
    for (const [name, reason] of Object.entries(FOREIGN_NAMES)) {
      expect(findProperty(name), name).to.equal(undefined);
      expect(foldName(name)).to.equal(name);
      expect(reason).to.match(/[^.]$/);
    }
  });

  it('has properties for every group', () => {
    expect(new Set(TABLE.map(({ group }) => group))).to.deep.equal(new Set(Object.keys(PROPERTY_GROUPS)));
  });

  it('refuses all of Kerberos and AWS, each group by one reason', () => {
    for (const group of ['kerberos', 'aws']) {
      const reasons = TABLE.filter((property) => property.group === group).map((row) => row.unsupported);
      expect(new Set(reasons).size, group).to.equal(1);
      expect(reasons[0], group).to.be.a('string');
    }
  });

  it('shows a secret or a certificate also for AzureAD, which takes either', () => {
    const shown = TABLE.filter(({ visibleWhen }) => visibleWhen?.['AuthScheme']?.includes('AzureAD'));
    expect(shown.map(({ name }) => name)).to.include.members([
      'OAuthClientSecret',
      'OAuthJWTCert',
      'OAuthJWTCertPassword',
    ]);
  });

  it('knows every kind of store of CData, and offers those that a key-store format reads', () => {
    const { choices = [], refused = {} } = propertyOf('OAuthJWTCertType');
    const readable = FORMATS.flatMap(({ file, blob }) => [file, blob]);
    expect(choices).to.include.members(['AUTO', ...readable]);
    expect([...choices, ...Object.keys(refused)]).to.include.members(['USER', 'MACHINE', 'PUBLIC_KEY_FILE']);
  });

  it('keeps every secret of the table secret, and takes references for secrets and PEM only', () => {
    const secrets = TABLE.filter(({ secret }) => secret).map(({ name }) => name);
    const named = TABLE.map(({ name }) => name).filter((name) =>
      /Password$|Secret$|SecretFallback$|Token$|Assertion$|Verifier$|Cert$|CertFallback$|SettingsKey$|AccessKey$|SecretKey$/.test(
        name,
      ),
    );
    expect(secrets).to.include.members(named.filter((name) => name !== 'SSLServerCert'));
    const references = TABLE.filter(takesReference).map(({ name }) => name);
    expect(references).to.have.members([...secrets, 'SSLCA', 'SSLServerCert', 'TokenCA']);
  });
});
