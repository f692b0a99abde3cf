import { Validator } from '@cfworker/json-schema';
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { ERROR_TYPES, ERRORS } from '#src/error-table.js';
import { renderErrors, renderLogging, renderProperties } from '#src/documents.js';
import { manifest, renderManifest } from '#src/manifest.js';
import { PROPERTIES, type Property } from '#src/settings/properties.js';
import { DRAFT_07 } from './operations/draft-07.js';

type Schema = Readonly<Record<string, unknown>>;

const root = new URL(import.meta.resolve('#src/index.js') + '/../../');
const onDisk = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const { connectionSpecification, operations, errors, sources, connector } = manifest();
const properties = connectionSpecification.properties as Readonly<Record<string, Schema>>;
const TABLE: readonly Property[] = PROPERTIES;

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
    for (const { name, aliases = [], secret } of TABLE) {
      const line = text.split('\n').find((each) => each.startsWith(`| \`${name}\``)) ?? '';
      expect(line.replaceAll('\\|', '').split('|'), name).to.have.length(7);
      for (const alias of aliases) expect(line).to.contain(alias);
      expect(line.includes('*Secret.*'), name).to.equal(secret === true);
    }
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
    expect(connector).to.deep.include({ id: 'postgresql-entra', name: '@pg-entra/connector' });
    expect(sources).to.deep.equal([]);
  });

  it('has a connection schema that draft-07 allows', () => {
    expect(DRAFT_07.validate(connectionSpecification).errors).to.deep.equal([]);
  });

  it('has the properties of the table, flat, in their order, with their CData names', () => {
    expect(Object.keys(properties)).to.deep.equal(TABLE.map(({ name }) => name));
    expect(Object.values(properties).map(({ order }) => order)).to.deep.equal(TABLE.map((_, index) => index));
    for (const { type } of Object.values(properties))
      expect(type).to.be.oneOf(['string', 'integer', 'boolean']);
  });

  for (const { name, secret, title, help, group } of TABLE) {
    it(`${name} is described, grouped, and secret exactly where it holds a secret`, () => {
      const schema = properties[name]!;
      expect(schema).to.include({ title, description: help, group });
      expect(schema['airbyte_secret']).to.equal(secret);
      if ('default' in schema)
        expect(new Validator(schema, '7').validate(schema['default']).errors).to.deep.equal([]);
      expect(connectionSpecification.groups.map(({ id }) => id)).to.include(group);
    });
  }

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
    ...Object.keys(BASE).map(
      (name) =>
        [
          `no ${name}`,
          { ...Object.fromEntries(Object.entries(BASE).filter(([key]) => key !== name)), ...SECRET },
          false,
        ] as const,
    ),
  ];
  for (const [what, configuration, valid] of samples) {
    it(`with ${what} is ${valid ? 'valid' : 'invalid'}`, () => {
      expect(isValid(configuration)).to.equal(valid);
    });
  }
});
