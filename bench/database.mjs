// What the measurements of connections have in common: the table, and how each side comes to it.
import { openTokens } from '#src/auth/index.js';
import { systemClock } from '#src/clock.js';
import { createDiagnostics } from '#src/diagnostics.js';
import { explainSettings } from '#src/settings/settings.js';

export const ROWS = 100_000;

/** One row by its key, as each side reads it. */
export const POINT_READ = 'select * from measured where id = $1';

/** Creates the table of ten typed columns that is read, some 240 bytes a row as text. */
export async function createTable({ query, role }) {
  await query(
    `create table measured as select
       id::int4, id * 9007199254741 as big, (id * 1.2345)::numeric(18, 4) as amount,
       'customer ' || id || ' with a name of some length' as name,
       timestamptz '2026-01-01' + id * interval '61.000001 seconds' as at,
       md5(id::text)::uuid as key, jsonb_build_object('id', id, 'tags', array['a', 'b']) as attributes,
       id % 2 = 0 as active, id / 7.0::float8 as ratio, decode(md5(id::text), 'hex') as hash
     from generate_series(1, ${ROWS}) id`,
  );
  await query('alter table measured add primary key (id)');
  await query('vacuum analyze measured');
  await query(`grant select on measured to "${role}"`);
}

/**
 * How `pg` comes to the same database, in its default way: a token as the password, the authority to trust.
 */
export async function pgOptions(properties) {
  const { settings } = explainSettings(properties);
  const { tokens } = openTokens(settings, { clock: systemClock, diagnostics: createDiagnostics() });
  const { host, port, database, user, tls } = settings.server;
  const password = (await tokens.get()).value.reveal();
  return { host, port, database, user, password, ssl: { ca: tls.ca } };
}

let lastId = 0;

/** Keys in an order that neither repeats soon nor follows the pages of the table. */
export function nextId() {
  lastId = (lastId + 7_919) % ROWS;
  return lastId + 1;
}
