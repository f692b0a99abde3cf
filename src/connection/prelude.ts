import pg from 'pg';
import type { Statement } from '../sql/statement.js';
import type { Row } from './rows.js';
import type { SessionSetting } from './session-settings.js';

/** The driver's connection, as a statement sees it that sends itself. */
interface Wire {
  parse(message: { text: string }): void;
  bind(message: { values: readonly string[] }): void;
  execute(message: object): void;
  readonly stream: { cork?(): void; uncork?(): void };
}

/** What the driver runs: sends itself, and is handed what comes back. */
interface Submittable {
  submit(connection: Wire): unknown;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: unknown): void;
}

/**
 * Runs `statement` by the extended protocol; the simple one would take several statements in one text.
 * With `settings` it is {@link preceded} by them.
 */
export function send(
  client: pg.Client,
  { text, values }: Statement,
  settings: readonly SessionSetting[] | undefined,
): Promise<pg.QueryResult<Row>> {
  const query = { text, values: [...values], queryMode: 'extended' };
  if (!settings) return client.query<Row>(query);
  return new Promise((resolve, reject) => {
    const settle = (error: Error | null, result: pg.QueryResult<Row>): void => {
      if (error) reject(error);
      else resolve(result);
    };
    client.query(preceded(new pg.Query<Row>(query, settle as never), settings));
  });
}

/**
 * `query`, sent right behind a statement that makes `settings` for the length of its transaction.
 * Both stand before the same Sync, so they are one transaction and one round trip (PostgreSQL
 * documentation, section 54.2.4); what the first one answers is not shown to `query`. Without
 * `settings` it is `query` as it is.
 */
export function preceded<Query extends object>(
  query: Query,
  settings: readonly SessionSetting[] | undefined,
): Query {
  if (!settings) return query;
  const own = query as unknown as Submittable;
  const submit = own.submit.bind(own);
  const handleDataRow = own.handleDataRow.bind(own);
  const handleCommandComplete = own.handleCommandComplete.bind(own);
  let isSet = false;
  const decorated: Submittable = {
    submit(connection) {
      connection.stream.cork?.();
      try {
        connection.parse({ text: setConfig(settings.length) });
        connection.bind({ values: settings.flat() });
        connection.execute({});
        return submit(connection);
      } finally {
        connection.stream.uncork?.();
      }
    },
    handleDataRow(message) {
      if (isSet) handleDataRow(message);
    },
    handleCommandComplete(message, connection) {
      if (isSet) handleCommandComplete(message, connection);
      isSet = true;
    },
  };
  return Object.assign(query, decorated);
}

// By parameters, because how a literal is read is one of the settings.
function setConfig(count: number): string {
  const calls = Array.from({ length: count }, (_, index) => {
    const [name, value] = [`$${String(2 * index + 1)}`, `$${String(2 * index + 2)}`];
    return `pg_catalog.set_config(${name}, ${value}, true)`;
  });
  return `select ${calls.join(', ')}`;
}
