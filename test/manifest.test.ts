import { Validator } from '@cfworker/json-schema';
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { ERROR_TYPES, ERRORS } from '#src/error-table.js';
import { renderErrors, renderLogging, renderProperties } from '#src/documents.js';
import { manifest, renderManifest } from '#src/manifest.js';
import { PROPERTIES, type Property } from '#src/settings/properties.js';
import { explainSettings, isConnectorError, type ConnectorError } from '#src/index.js';
import type { Derivation } from '#src/settings/derivations.js';
import { holds, isActive } from '#src/settings/property.js';
import { DRAFT_07 } from './operations/draft-07.js';

type Schema = Readonly<Record<string, unknown>>;

const root = new URL(import.meta.resolve('#src/index.js') + '/../../');
const onDisk = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const { connectionSpecification, operations, errors, sources, connector } = manifest();
const properties = connectionSpecification.properties as Readonly<Record<string, Schema>>;
const TABLE: readonly Property[] = PROPERTIES;
const ACTIVE = TABLE.filter(isActive);
const PASSIVE = TABLE.filter((property) => !isActive(property));

describe('generated files', () => {
  const files: readonly (readonly [path: string, render: () => string])[] = [
    ['connector.json', renderManifest],
    ['docs/properties.md', renderProperties],
    ['docs/errors.md', renderErrors],
    ['docs/logging.md', renderLogging],
  ];
  for (const [path, render] of files) {
    it(`${path} is what the tables say (npm run generate)`, () => {
      expect(onDisk(path)).to.equal(render());
    });
  }

  it('docs/properties.md has a line for every property, with its aliases', () => {
    const text = renderProperties();
    for (const { name, aliases = [], secret } of ACTIVE) {
      const line = text.split('\n').find((each) => each.startsWith(`| \`${name}\``)) ?? '';
      expect(line.replaceAll('\\|', '').split('|'), name).to.have.length(7);
      for (const alias of aliases) expect(line).to.contain(alias);
      expect(line.includes('*Secret.*'), name).to.equal(secret === true);
    }
  });

  it('docs/properties.md tells of every property that is known and does nothing why, and the same of values', () => {
    const lines = renderProperties().split('\n');
    for (const { name, unsupported, inert = '' } of PASSIVE) {
      const line = lines.filter((each) => each.startsWith(`| \`${name}\``));
      expect(line, name).to.have.length(1);
      expect(line[0]).to.contain(unsupported === undefined ? `| noted | ` : `| refused | `);
      expect(line[0]).to.contain(unsupported ?? inert);
    }
    for (const { name, refused = {} } of TABLE)
      for (const value of Object.keys(refused))
        expect(lines.join('\n')).to.contain(`| \`${name}=${value}\` | `);
  });

  it('docs/errors.md has a section for every type and a line for every code', () => {
    const text = renderErrors();
    for (const type of Object.keys(ERROR_TYPES)) expect(text).to.contain(`## \`${type}\``);
    for (const code of Object.keys(ERRORS)) expect(text).to.contain(`\n| \`${code}\` | `);
  });
});

describe('the manifest', () => {
  it('is a ConnectorSpecification of Airbyte', () => {
    const parsed = JSON.parse(renderManifest()) as Schema;
    expect(parsed).to.include.keys('protocol_version', 'connectionSpecification');
    expect(parsed['protocol_version']).to.match(/^\d+\.\d+\.\d+$/);
    expect(connectionSpecification).to.include({
      $schema: 'http://json-schema.org/draft-07/schema#',
      type: 'object',
    });
    expect(connectionSpecification.$comment).to.include('those of a boolean as "true" and "false"');
    expect(connector).to.deep.include({ id: 'postgresql-entra', name: '@pg-entra/connector' });
    expect(sources).to.deep.equal([]);
  });

  it('has a connection schema that draft-07 allows', () => {
    expect(DRAFT_07.validate(connectionSpecification).errors).to.deep.equal([]);
  });

  it('has the properties of the table, flat, in their order, with their CData names', () => {
    expect(Object.keys(properties)).to.deep.equal(ACTIVE.map(({ name }) => name));
    expect(Object.values(properties).map(({ order }) => order)).to.deep.equal(ACTIVE.map((_, at) => at));
    for (const { type } of Object.values(properties))
      expect(type).to.be.oneOf(['string', 'integer', 'boolean']);
  });

  for (const { name, secret, title, help, group } of ACTIVE) {
    it(`${name} is described, grouped, and secret exactly where it holds a secret`, () => {
      const schema = properties[name]!;
      expect(schema).to.include({ title, description: help, group });
      expect(schema['airbyte_secret']).to.equal(secret);
      if ('default' in schema)
        expect(new Validator(schema, '7').validate(schema['default']).errors).to.deep.equal([]);
      expect(connectionSpecification.groups.map(({ id }) => id)).to.include(group);
    });
  }

  it('has a section for each group, and none that is empty', () => {
    const groups = new Set(ACTIVE.map(({ group }) => group));
    expect(connectionSpecification.groups.map(({ id }) => id)).to.have.members([...groups]);
  });

  it('says each condition to its end in docs/properties.md', () => {
    expect(renderProperties())
      .to.include('with UseSSH true')
      .and.not.to.match(/other than +([|*;.]|and )/);
  });

  it('names only properties and values of its own in conditions', () => {
    for (const [name, schema] of Object.entries(properties)) {
      for (const keyword of ['x-visibleWhen', 'x-requiredWhen']) {
        const conditions = [(schema[keyword] ?? []) as Record<string, string[]>].flat();
        for (const [decider, values] of conditions.flatMap(Object.entries<string[]>)) {
          expect(properties[decider], `${name} ${keyword}`).to.have.property('x-derivation');
          const { type, enum: choices } = properties[decider]!;
          expect(type === 'boolean' ? ['true', 'false'] : choices).to.include.members(values);
        }
      }
      for (const other of (schema['x-instead'] ?? []) as string[]) expect(properties).to.have.property(other);
    }
  });

  it('has the properties that are known and do nothing beside the schema, with the reason', () => {
    const { unsupportedProperties } = manifest();
    expect(unsupportedProperties.map(({ name }) => name)).to.deep.equal(PASSIVE.map(({ name }) => name));
    for (const { name, effect, reason } of unsupportedProperties) {
      expect(reason, name).not.to.equal('');
      const given = (): unknown => explainSettings({ Server: 's', User: 'u', Password: 'p', [name]: 'x' });
      if (effect === 'refused') expect(given).to.throw().with.property('code', 'PROPERTY_UNSUPPORTED');
      else expect(given).not.to.throw();
    }
  });

  it('has operations as tools of the Model Context Protocol', () => {
    expect(operations.map(({ name }) => name)).to.deep.equal(['select', 'insert', 'upsert', 'execute']);
    for (const { name, title, description, inputSchema, outputSchema, annotations } of operations) {
      expect(name).to.match(/^[a-zA-Z0-9_.-]{1,128}$/);
      expect([title, description].every((text) => text.length > 0)).to.equal(true);
      for (const schema of [inputSchema, outputSchema]) expect(schema).to.have.property('type', 'object');
      expect(Object.keys(annotations)).to.have.members(['readOnlyHint', 'destructiveHint', 'idempotentHint']);
      expect(Object.values(annotations).every((hint) => typeof hint === 'boolean')).to.equal(true);
    }
  });

  it('has every error type with its codes', () => {
    expect(errors.map(({ type }) => type)).to.deep.equal(Object.keys(ERROR_TYPES));
    const codes = errors.flatMap((entry) => entry.codes.map(({ code }) => code));
    expect(codes).to.have.members(Object.keys(ERRORS));
  });

  it('is the same at every call', () => {
    expect(manifest()).to.deep.equal(manifest());
    expect(renderManifest()).to.equal(renderManifest());
  });
});

describe('a configuration', () => {
  const validator = new Validator(connectionSpecification as Schema, '7', false);
  const isValid = (configuration: object): boolean => validator.validate(configuration).valid;
  const BASE = { Server: 'db', Database: 'd', User: 'u', AzureTenant: 'c.example', OAuthClientId: 'i' };
  const SECRET = { OAuthClientSecret: 's' };
  const CERTIFICATE = { OAuthJWTCert: '/app.pfx' };
  const without = (name: string): object =>
    Object.fromEntries(Object.entries(BASE).filter(([key]) => key !== name));

  const samples: readonly (readonly [what: string, configuration: object, valid: boolean])[] = [
    ['the group with a secret', { ...BASE, ...SECRET }, true],
    ['the group with a certificate', { ...BASE, ...CERTIFICATE, OAuthJWTCertType: 'PFXFILE' }, true],
    ['a secret by scheme', { ...BASE, ...SECRET, AuthScheme: 'AzureServicePrincipal' }, true],
    ['a certificate by scheme', { ...BASE, ...CERTIFICATE, AuthScheme: 'AzureServicePrincipalCert' }, true],
    [
      'AzureAD with a certificate',
      { ...BASE, ...CERTIFICATE, AuthScheme: 'AzureAD', OAuthGrantType: 'CLIENT' },
      true,
    ],
    ['numbers and booleans', { ...BASE, ...SECRET, Port: 6432, UseSSL: true }, true],
    ['a scheme without its secret', { ...BASE, AuthScheme: 'AzureServicePrincipal' }, false],
    [
      'a scheme without its certificate',
      { ...BASE, ...SECRET, AuthScheme: 'AzureServicePrincipalCert' },
      false,
    ],
    ['an unknown scheme', { ...BASE, ...SECRET, AuthScheme: 'AzurAD' }, false],
    ['an unknown kind of store', { ...BASE, ...CERTIFICATE, OAuthJWTCertType: 'PFX' }, false],
    ['port 0', { ...BASE, ...SECRET, Port: 0 }, false],
    ['a port as text', { ...BASE, ...SECRET, Port: '5432' }, false],
    ['a half second', { ...BASE, ...SECRET, Timeout: 0.5 }, false],
    ['no Database', { ...without('Database'), ...SECRET }, true],
    ['no User', { ...without('User'), ...SECRET }, false],
    ['a managed identity and nothing else', { Server: 'db', User: 'u', AuthScheme: 'AzureMSI' }, true],
    ['a password alone', { Server: 'db', User: 'u', Password: 'p' }, true],
    ['a token alone', { Server: 'db', User: 'u', OAuthAccessToken: 't' }, true],
    ['InitiateOAuth=OFF without a token', { ...BASE, ...SECRET, InitiateOAuth: 'OFF' }, false],
    ...['Server', 'AzureTenant', 'OAuthClientId'].map(
      (name) => [`no ${name}`, { ...without(name), ...SECRET }, false] as const,
    ),
  ];
  for (const [what, configuration, valid] of samples) {
    it(`with ${what} is ${valid ? 'valid' : 'invalid'}`, () => {
      expect(isValid(configuration)).to.equal(valid);
    });
  }

  /** Whether reading it finds that something is missing, whatever else is wrong with it. */
  const lacks = (configuration: Record<string, string>): boolean => {
    const error = problemOf(configuration);
    return error?.code === 'PROPERTIES_MISSING' || error?.message.includes('Missing: ') === true;
  };
  const problemOf = (configuration: Record<string, string>): ConnectorError | undefined => {
    try {
      explainSettings(configuration);
      return undefined;
    } catch (error) {
      if (!isConnectorError(error)) throw error;
      return error;
    }
  };

  /** What the deciding properties count as by `x-derivation`, as a form finds it. */
  const derived = (configuration: Record<string, string>): Record<string, string> => {
    const counting: Record<string, string> = {};
    const isGiven = (name: string): boolean => name in configuration;
    for (const [name, schema] of Object.entries(properties)) {
      if (!('x-derivation' in schema)) continue;
      const written = configuration[name] ?? '';
      const row = (schema['x-derivation'] as Derivation[]).find(
        ({ of, given, absent = [], with: before = {} }) =>
          of.includes(written) &&
          (given?.some(isGiven) ?? true) &&
          !absent.some(isGiven) &&
          holds(before, counting),
      );
      counting[name] = row?.value ?? written;
    }
    return counting;
  };
  const GIVEN = {
    secret: SECRET,
    certificate: CERTIFICATE,
    assertion: { OAuthClientAssertion: 'a' },
    token: { OAuthAccessToken: 't' },
    password: { Password: 'p' },
    issuer: { OAuthIssuer: 'https://login.example' },
    'token endpoint': { OAuthAccessTokenURL: 'https://login.example/token' },
  };
  const PAIRS: readonly (readonly (keyof typeof GIVEN)[])[] = [
    [],
    ...(Object.keys(GIVEN) as (keyof typeof GIVEN)[]).map((one) => [one]),
    ['secret', 'certificate'],
    ['secret', 'token'],
    ['certificate', 'token'],
    ['assertion', 'token'],
    ['password', 'token'],
    ['password', 'secret'],
    ['issuer', 'secret'],
    ['issuer', 'certificate'],
    ['issuer', 'password'],
    ['issuer', 'secret', 'token'],
  ];
  const IDENTITIES = [{}, { OAuthClientId: 'i' }, { AzureTenant: 'c.example', OAuthClientId: 'i' }];
  const givenBy = (
    names: (typeof PAIRS)[number],
    choices: Readonly<Record<string, string | undefined>>,
    identity: object = {},
  ): Record<string, string> => ({
    ...{ Server: 'db', User: 'u', ...identity },
    ...Object.fromEntries(names.flatMap((name) => Object.entries(GIVEN[name]))),
    ...Object.fromEntries(
      Object.entries(choices).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ),
  });
  const schemes = [undefined, ...(properties['AuthScheme']?.['enum'] as string[])];
  for (const AuthScheme of schemes) {
    it(`with ${AuthScheme === undefined ? 'no AuthScheme' : `AuthScheme=${AuthScheme}`} lacks by the schema exactly what it lacks when it is read`, () => {
      const differing = [];
      for (const InitiateOAuth of [undefined, 'GETANDREFRESH', 'REFRESH', 'OFF'])
        for (const names of PAIRS)
          for (const identity of IDENTITIES) {
            const given = givenBy(names, { AuthScheme, InitiateOAuth }, identity);
            if (isValid(given) === lacks(given)) differing.push(given);
          }
      expect(differing).to.deep.equal([]);
    });

    it(`with ${AuthScheme === undefined ? 'no AuthScheme' : `AuthScheme=${AuthScheme}`} counts in a form as it does when it is read`, () => {
      let read = 0;
      for (const InitiateOAuth of [undefined, 'GETANDREFRESH', 'REFRESH', 'OFF'])
        for (const names of PAIRS) {
          const given = givenBy(names, { AuthScheme, InitiateOAuth }, IDENTITIES.at(-1));
          if (problemOf(given)) continue;
          read += 1;
          const counting = derived(given);
          for (const { name, value } of explainSettings(given).effective)
            if (name in counting) expect(counting[name], JSON.stringify(given)).to.equal(value);
        }
      expect(read).to.be.greaterThan(0);
    });
  }

  it('with a JWT grant needs a subject and the certificate that signs by both', () => {
    const grant = {
      ...{ Server: 'db', User: 'u', OAuthClientId: 'i', OAuthIssuer: 'https://login.example' },
      ...{ OAuthJWTCert: '/app.pfx', OAuthGrantType: 'JWT' },
    };
    expect([isValid(grant), lacks(grant)]).to.deep.equal([false, true]);
    const unsigned = {
      ...{ Server: 'db', User: 'u', OAuthClientId: 'i', OAuthIssuer: 'https://login.example' },
      ...{ OAuthGrantType: 'JWT', OAuthJWTSubject: 'u@c.example' },
    };
    expect([isValid(unsigned), lacks(unsigned)]).to.deep.equal([false, true]);
    expect(problemOf(unsigned)?.message).to.equal('Properties are missing: OAuthJWTCert (JWT OAuth).');
    const complete = { ...grant, OAuthJWTSubject: 'u@c.example' };
    expect([isValid(complete), lacks(complete)]).to.deep.equal([true, false]);
  });

  // What the schema does not say: conflicts, and the following.
  const EXCEPTIONS: readonly (readonly [what: string, configuration: Record<string, string>])[] = [
    ['a credential that is empty', { ...BASE, OAuthClientSecret: '' }],
  ];
  for (const [what, configuration] of EXCEPTIONS) {
    it(`with ${what} is valid by the schema, and refused when it is read`, () => {
      expect(isValid(configuration)).to.equal(true);
      expect(() => explainSettings(configuration)).to.throw();
    });
  }

  it('is strict about the letter case of a choice, which reading is not', () => {
    const lower = { ...BASE, ...SECRET, AuthScheme: 'azureserviceprincipal' };
    expect(isValid(lower)).to.equal(false);
    expect(lacks(lower)).to.equal(false);
  });
});
