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
