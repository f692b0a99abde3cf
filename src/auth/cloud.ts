/**
 * Clouds of Microsoft Entra ID: the host of the authority and the scope of Azure Database for
 * PostgreSQL in each. The tenant's own OpenID document says which one it belongs to.
 */
export const CLOUDS = {
  GLOBAL: {
    host: 'login.microsoftonline.com',
    instance: 'microsoftonline.com',
    scope: 'https://ossrdbms-aad.database.windows.net/.default',
  },
  USGOVT: {
    host: 'login.microsoftonline.us',
    instance: 'microsoftonline.us',
    scope: 'https://ossrdbms-aad.database.usgovcloudapi.net/.default',
  },
  CHINA: {
    host: 'login.partner.microsoftonline.cn',
    instance: 'partner.microsoftonline.cn',
    scope: 'https://ossrdbms-aad.database.chinacloudapi.cn/.default',
  },
} as const;

export type CloudName = keyof typeof CLOUDS;

/** The cloud whose authority stands at `host`, if it is a built-in one. */
export function cloudAt(host: string): CloudName | undefined {
  return cloudNames().find((name) => CLOUDS[name].host === host);
}

/** The cloud that an OpenID document names in `cloud_instance_name`. */
export function cloudOfInstance(instance: unknown): CloudName | undefined {
  return cloudNames().find((name) => CLOUDS[name].instance === instance);
}

function cloudNames(): CloudName[] {
  return Object.keys(CLOUDS) as CloudName[];
}

/** Application id by which a v2.0 token names Azure Database for PostgreSQL and MySQL, in every cloud. */
const DATABASE_APPLICATION = '123cd850-d9df-40bd-94d5-c9f07b7fa203';

/** Whether `audience` is the application id behind the database resource `resource`. */
export function isDatabase(audience: string, resource: string): boolean {
  return audience === DATABASE_APPLICATION && /^https:\/\/ossrdbms-aad\.database\./.test(resource);
}

/** Resources of Microsoft whose tokens people take for one of the database, by address and application id. */
const FOREIGN_RESOURCES: readonly (readonly [name: string, pattern: RegExp])[] = [
  [
    'Microsoft Graph',
    /^https:\/\/(dod-)?graph\.microsoft\.|^https:\/\/microsoftgraph\.|^00000003-0000-0000-c000-0{12}$/,
  ],
  ['Azure AD Graph', /^https:\/\/graph\.windows\.net|^00000002-0000-0000-c000-0{12}$/],
  [
    'Azure Resource Manager',
    /^https:\/\/management\.(core\.)?(azure|windows|usgovcloudapi|chinacloudapi)\.|^797f4846-ba00-4fd7-ba43-dac1f8f63013$/,
  ],
  ['Azure SQL Database', /^https:\/\/database\.windows\.net|^022907d3-0f1b-48f7-badc-1ba6abab6d66$/],
  ['Azure Key Vault', /^https:\/\/vault\.|^cfa8b339-82a2-471a-a3c9-0fc0be7a4093$/],
  ['Azure Storage', /^https:\/\/storage\.azure\.|^e406a681-f3d4-42a8-90b6-c2b029497af1$/],
];

/** What `audience` (lower case) is known to be, where it is a resource of Microsoft that is no database. */
export function foreignResource(audience: string): string | undefined {
  return FOREIGN_RESOURCES.find(([, pattern]) => pattern.test(audience))?.[0];
}
