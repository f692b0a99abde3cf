import { quoteLiteral, requireName } from './identifier.js';

/** The application that a database role is to be made for. */
export interface RolePrincipal {
  /** Name of the role; the `User` of the connection. */
  readonly role: string;
  /**
   * Object id of the service principal (the enterprise application, not the app registration),
   * which is the claim `oid` of its tokens. Undefined: found by its display name, which then must
   * equal `role`.
   */
  readonly objectId?: string | undefined;
}

/**
 * The statement by which an Entra administrator of Azure Database for PostgreSQL, connected to
 * the database `postgres`, makes the role of an application: neither an administrator nor bound
 * to multi-factor authentication.
 *
 * @throws ConnectorError IDENTIFIER_INVALID when no role can have that name
 */
export function createRoleSql({ role, objectId }: RolePrincipal): string {
  requireName(role, 'role');
  const name = quoteLiteral(role);
  return objectId === undefined
    ? `select * from pgaadauth_create_principal(${name}, false, false);`
    : `select * from pgaadauth_create_principal_with_oid(${name}, ${quoteLiteral(objectId)}, 'service', false, false);`;
}
