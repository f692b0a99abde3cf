import type pg from 'pg';
import type { EventEmitter } from 'node:events';
import type { ServerRole } from './host-roles.js';
import type { Session } from './session.js';

/** Parameters that tell the role of a server; PostgreSQL 14 and newer report both at login. */
const TELLING = ['in_hot_standby', 'default_transaction_read_only'];

/** The telling parameters that the server of `client` reports, from now on. */
export function watchRole(client: pg.Client): ReadonlyMap<string, string> {
  const reported = new Map<string, string>();
  const { connection } = client as unknown as { connection: EventEmitter };
  connection.on('parameterStatus', (status: { parameterName: string; parameterValue: string }) => {
    if (TELLING.includes(status.parameterName)) reported.set(status.parameterName, status.parameterValue);
  });
  return reported;
}

/**
 * The role that `reported` tells; undefined where the server, or a pooler before it, says too
 * little. `ownReadOnly`: the session is read-only because we asked for it, which tells nothing.
 */
export function reportedRole(
  reported: ReadonlyMap<string, string>,
  ownReadOnly: boolean,
): ServerRole | undefined {
  const [isStandby, isReadOnly] = TELLING.map((name) => reported.get(name));
  if (isStandby === undefined || isReadOnly === undefined) return undefined;
  return roleOf(isStandby, isReadOnly, ownReadOnly);
}

const QUESTION = `
  select case when pg_catalog.pg_is_in_recovery() then 'on' else 'off' end as "isStandby",
         pg_catalog.current_setting('default_transaction_read_only') as "isReadOnly"`;

/** The role of the server, which is asked for it. Throws what `session.all` throws. */
export async function askRole(
  session: Session,
  ownReadOnly: boolean,
  signal: AbortSignal,
): Promise<ServerRole> {
  const { rows } = await session.all({ text: QUESTION, values: [] }, { writes: false, signal });
  const { isStandby, isReadOnly } = { ...rows[0] };
  return roleOf(String(isStandby), String(isReadOnly), ownReadOnly);
}

function roleOf(isStandby: string, isReadOnly: string, ownReadOnly: boolean): ServerRole {
  if (isStandby === 'on') return 'standby';
  return isReadOnly === 'on' && !ownReadOnly ? 'read-only' : 'primary';
}
