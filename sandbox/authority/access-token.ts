import { randomBytes, randomUUID } from 'node:crypto';

/** The resource whose tokens open Azure Database for PostgreSQL in the public cloud. */
export const databaseResource = 'https://ossrdbms-aad.database.windows.net';

/** What a principal proved itself with; claim `appidacr`. */
export type CredentialKind = 'secret' | 'certificate' | 'federated';

/** Who a token is for, and until when. */
export interface TokenSubject {
  readonly tenantId: string;
  readonly clientId: string;
  readonly objectId: string;
  readonly credential: CredentialKind;
  /** ms since the epoch. */
  readonly now: number;
  readonly lifetimeSeconds: number;
}

/** The issuer of v1 tokens, which names Microsoft's own host whatever host issued the token. */
export const tokenIssuer = (tenantId: string): string => `https://sts.windows.net/${tenantId}/`;

/** The claims of an Entra v1 app-only token; `iat` and `nbf` lie five minutes back, as Entra sets them against skewed clocks. */
export const entraClaims = ({
  tenantId,
  clientId,
  objectId,
  credential,
  now,
  lifetimeSeconds,
}: TokenSubject) => {
  const seconds = Math.floor(now / 1000);
  return {
    aud: databaseResource,
    iss: tokenIssuer(tenantId),
    iat: seconds - 300,
    nbf: seconds - 300,
    exp: seconds + lifetimeSeconds,
    aio: randomBytes(33).toString('base64url'),
    appid: clientId,
    appidacr: credential === 'secret' ? '1' : '2',
    idp: tokenIssuer(tenantId),
    idtyp: 'app',
    oid: objectId,
    rh: `1.${randomBytes(48).toString('base64url')}.`,
    sub: objectId,
    tid: tenantId,
    uti: randomUUID().replaceAll('-', '').slice(0, 22),
    ver: '1.0',
  };
};
