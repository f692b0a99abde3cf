import { expect } from 'chai';
import { inspect } from 'node:util';
import { serialize } from 'node:v8';
import { isConnectorError } from '#src/errors.js';
import { createConnector } from '#src/index.js';
import { readConnectionString } from '#src/settings/connection-string.js';
import { PROPERTIES, type Property } from '#src/settings/properties.js';
import { Secret } from '#src/settings/secret.js';
import { explainSettings } from '#src/settings/settings.js';
import { recordingLogger } from '../support/log.js';

// Letters and digits only, so that it could be a name.
const CANARY = 'cAnArY9f3kQ8xSecret';
const REST = 'Server=db;Database=d;User=u;AzureTenant=c.example;OAuthClientId=i;';
const WITH_SECRET = `${REST}OAuthClientSecret=${CANARY}`;
const WITH_CERTIFICATE = `${REST}OAuthJWTCert=${CANARY};OAuthJWTCertPassword=${CANARY}`;

/** Every way in which a host prints or copies a value. */
const PRINTINGS: Readonly<Record<string, (value: object) => string>> = {
  'util.inspect': (value) =>
    inspect(value, { showHidden: true, depth: Infinity, getters: true, customInspect: false }),
  'util.inspect with customInspect': (value) => inspect(value, { showHidden: true, depth: Infinity }),
  'JSON.stringify': (value) => JSON.stringify(value),
  structuredClone: (value) => inspect(structuredClone(value), { showHidden: true, depth: Infinity }),
  'v8.serialize': (value) => serialize(value).toString('latin1'),
  text: (value) => [value, ...(Object.values(value) as unknown[])].map((each) => String(each)).join(),
  'a spread': (value) => inspect({ ...value }, { depth: Infinity }),
};

describe('secrecy of settings', () => {
  for (const [name, print] of Object.entries(PRINTINGS)) {
    for (const text of [WITH_SECRET, WITH_CERTIFICATE]) {
      const kind = text === WITH_SECRET ? 'a secret' : 'a certificate';
      it(`X-03 ${name} shows nothing of settings with ${kind}`, () => {
        const { settings, effective, notes } = explainSettings(text);
        for (const value of [settings, settings.identity, effective, notes])
          expect(print(value)).to.be.a('string').and.not.to.contain(CANARY);
      });
    }

    it(`X-03 ${name} shows nothing of a Secret`, () => {
      expect(print(new Secret(CANARY))).not.to.contain(CANARY);
    });
  }

  it('X-03 a connector shows nothing, however deep it is looked into', async () => {
    const connector = createConnector(WITH_SECRET);
    const shown = inspect(connector, { showHidden: true, depth: Infinity });
    await connector.close();
    expect(shown).to.contain('settings').and.not.to.contain(CANARY);
  });

  // Each of these is wrong in one way beside a secret.
  const wrong: readonly (readonly [string, string])[] = [
    ['an unknown property', `${WITH_SECRET};Sevrer=${CANARY}`],
    ['a URI', `postgres://u:${CANARY}@h/d?x=y`],
    ['a secret with ; and = in it', `${REST}OAuthClientSecret=x;${CANARY}=y`],
    ['a secret with ; and = in it, twice', `${REST}OAuthClientSecret=x;${CANARY}=y;z${CANARY}=y`],
    ['a secret with & and = in it', `postgres://u@h/d?OAuthClientSecret=x&${CANARY}=y`],
    ['an unterminated quote', `${REST}OAuthClientSecret="${CANARY}`],
    ['text behind a quoted secret', `${REST}OAuthClientSecret="${CANARY}"${CANARY}`],
    ['a wrong port', `${WITH_SECRET};Port=${CANARY}`],
    ['a wrong scheme', `${WITH_SECRET};AuthScheme=${CANARY}`],
    ['a wrong scope', `${WITH_SECRET};Scope=${CANARY}`],
    ['a wrong authority', `${WITH_SECRET};AzureAuthority=https://${CANARY}@x`],
    ['two credentials', `${WITH_SECRET};OAuthJWTCert=${CANARY}`],
    ['a missing property', `OAuthClientSecret=${CANARY}`],
    ['a file that is not there', `${REST}OAuthClientSecret=@file:/none/${CANARY}`],
    ['a CA that is not there', `${WITH_SECRET};SSLCA=/none/${CANARY}`],
    ['a secret with U+0000', `${REST}OAuthClientSecret=${CANARY}\0`],
  ];
  for (const [what, text] of wrong) {
    it(`X-02 the error of ${what} shows no value`, () => {
      const error = thrownBy(() => explainSettings(text));
      const printed = Object.values(PRINTINGS).map((print) => print(error));
      expect([...printed, String(error.stack), error.message].join('\n')).not.to.contain(CANARY);
      expect(error).to.include({ type: 'POSTGRESQL:SETTINGS' });
    });
  }

  it('X-02 names what stands behind a secret where it is nearly a name, or where the secret is quoted', () => {
    const messageOf = (text: string): string => thrownBy(() => explainSettings(text)).message;
    expect(messageOf(`${REST}OAuthClientSecret=x;hunter2Winter2026=9`)).to.equal(
      'Unknown property: (text behind OAuthClientSecret, not shown because it may belong to it).',
    );
    expect(messageOf(`${REST}OAuthClientSecret=x;Sevrer=9`)).to.contain('Sevrer (did you mean Server?)');
    expect(messageOf(`${REST}OAuthClientSecret="x";Colour=9`)).to.contain('Colour');
    expect(messageOf(`OAuthClientSecret=x;${REST}Colour=9`)).to.contain('Colour');
  });

  it('X-01 the warnings of a connector hold no value', async () => {
    const logger = recordingLogger();
    await createConnector(`${WITH_SECRET};ClientSecret=${CANARY};OAuthJWTCertPassword=${CANARY}`, {
      logger,
    }).close();
    expect(logger.lines).to.have.length(2);
    expect(logger.lines.join()).not.to.contain(CANARY);
  });

  // A connection that each secret of the table counts in; the others are refused or noted anywhere.
  const homes: Readonly<Record<string, string>> = {
    OAuthJWTCert: REST,
    OAuthJWTCertPassword: `${REST}OAuthJWTCert=/x;`,
    OAuthJWTCertKeyPassword: `${REST}OAuthJWTCert=/x;`,
    OAuthJWTCertFallback: `${REST}OAuthJWTCert=/x;`,
    OAuthClientAssertion: REST,
    OAuthClientSecret: REST,
    OAuthAccessToken: 'AuthScheme=OAuthToken;Server=db;User=u;',
    Password: 'Server=db;User=u;',
    ProxyPassword: `${REST}OAuthClientSecret=s;ProxyServer=p;ProxyUser=u;`,
  };
  for (const { name, kind } of (PROPERTIES as readonly Property[]).filter(({ secret }) => secret)) {
    it(`X-02 X-03 ${name} is shown by neither settings, lines and notes nor an error`, () => {
      const values = [CANARY, `"${CANARY};x=${CANARY}"`, `@env:${CANARY} x`];
      // The path of a store that can be used is no secret; that of a file that cannot be read might be a mistake.
      if (kind !== 'store') values.push(`@file:/none/${CANARY}`);
      for (const value of values) {
        const text = `${homes[name] ?? `${REST}OAuthClientSecret=s;`}${name}=${value}`;
        const shown = outcomeOf(() => explainSettings(text));
        for (const print of Object.values(PRINTINGS)) expect(print(shown)).not.to.contain(CANARY);
      }
    });
  }

  it('raw properties are the one form that holds values', () => {
    expect(readConnectionString(WITH_SECRET).properties.OAuthClientSecret).to.equal(CANARY);
  });
});

describe('Secret', () => {
  it('reveals its value only when asked', () => {
    expect(new Secret('a').reveal()).to.equal('a');
    expect(`${new Secret('a').toString()}${JSON.stringify([new Secret('a')])}`).to.equal('***["***"]');
  });

  it('has equal fingerprints for equal values, which say nothing else', () => {
    const [one, same, other] = [new Secret('a'), new Secret('a'), new Secret('b')];
    expect(one.fingerprint())
      .to.match(/^[0-9a-f]{32}$/)
      .and.to.equal(same.fingerprint());
    expect(one.fingerprint()).not.to.equal(other.fingerprint());
  });
});

/** What `work` gives, or the error of ours that it throws. */
function outcomeOf(work: () => object): object {
  try {
    return work();
  } catch (error) {
    if (isConnectorError(error)) return error;
    throw error;
  }
}

function thrownBy(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected a failure');
}
