import type { PropertyFacts, PropertyGroup } from './property.js';

export const NO_KERBEROS = 'Kerberos is not supported; use one of the Azure schemes, OAuthClient or Password';
export const NO_AWS = 'AWS IAM logins are not supported; use Password, or OAuthToken with a token of yours';

/**
 * The part of the table that other connectors have and this one has not: a connection string
 * that is pasted from there is told what does not apply here, and why.
 */
export const ELSEWHERE = [
  ...rows(
    'authentication',
    { inert: 'the connector lists no tables', help: 'Privileges a table must grant to be listed.' },
    { Visibility: { kind: 'list' } },
  ),
  ...rows(
    'oauth',
    { inert: 'no browser is ever opened', help: 'Belongs to an interactive login.' },
    {
      OAuthRefreshToken: {
        title: 'OAuth Refresh Token',
        secret: true,
        inert: 'an application renews its token without one',
      },
      CallbackURL: {},
      OAuthVerifier: { title: 'OAuth Verifier', secret: true },
    },
  ),
  ...rows(
    'miscellaneous',
    { help: 'How other connectors send statements and rows.' },
    {
      AllowPreparedStatement: { kind: 'boolean', inert: 'values always travel apart from the statement' },
      BatchSize: {
        kind: 'integer',
        range: [0, 2_147_483_647],
        inert: 'rows are sent in as few statements as the protocol allows',
        neutral: ['0'],
      },
      FetchResultSetMetadata: {
        kind: 'boolean',
        inert: 'every result names its columns and their types',
        neutral: ['false'],
      },
      InsertMode: { inert: 'an insert is one statement of all its rows' },
      QueryPassthrough: { kind: 'boolean', inert: 'SQL is always sent as it is', neutral: ['true'] },
      PseudoColumns: { inert: 'PostgreSQL has none' },
      RTK: { secret: true, inert: 'no licence key is needed' },
      Other: {
        secret: true,
        unsupported: 'this connector has no hidden properties; set each property by its own name',
      },
    },
  ),
  ...rows(
    'miscellaneous',
    { inert: 'the connector lists no tables', help: 'How other connectors list tables.' },
    {
      BrowsePartitions: { kind: 'boolean' },
      IncludeTableTypes: { kind: 'boolean', neutral: ['false'] },
    },
  ),
  ...rows(
    'schema',
    { inert: 'the connector lists no tables', help: 'What other connectors list.' },
    {
      Location: { inert: 'the schema is read from the server' },
      BrowsableSchemas: { kind: 'list' },
      IgnoredSchemas: { kind: 'list' },
      Tables: { kind: 'list' },
      Views: { kind: 'list' },
    },
  ),
  ...rows(
    'ssh',
    { inert: 'an SSH key has no subject', help: 'Which certificate of a store, for SSH.' },
    { SSHClientCertSubject: { neutral: ['*'] } },
  ),
  ...rows(
    'kerberos',
    {
      unsupported: NO_KERBEROS,
      help: 'Kerberos login.',
    },
    {
      KerberosKDC: {},
      KerberosRealm: {},
      KerberosSPN: {},
      KerberosUser: {},
      KerberosKeytabFile: {},
      KerberosServiceRealm: {},
      KerberosServiceKDC: {},
      KerberosTicketCache: {},
    },
  ),
  ...rows(
    'aws',
    {
      unsupported: NO_AWS,
      help: 'AWS IAM login.',
    },
    {
      AWSAccessKey: { secret: true },
      AWSSecretKey: { secret: true },
      AWSRoleARN: {},
      AWSExternalId: { secret: true },
    },
  ),
];

type Facts = Partial<Omit<PropertyFacts, 'name' | 'group'>>;

/** One row for each name of `special`, of what is `common` to the group and what is its own. */
function rows<Name extends string>(
  group: PropertyGroup,
  common: Facts & Pick<PropertyFacts, 'help'>,
  special: Readonly<Record<Name, Facts>>,
): (PropertyFacts & { readonly name: Name })[] {
  return (Object.keys(special) as Name[]).map((name) => ({
    name,
    title: titleOf(name),
    group,
    kind: 'text' as const,
    ...common,
    ...special[name],
  }));
}

/** `SSHClientCert` as `SSH Client Cert`. */
function titleOf(name: string): string {
  return name.replace(/(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, ' ');
}
