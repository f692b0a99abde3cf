import { manifest, parseConnectionString } from '../../index.js';
import type { Io } from './io.js';
import { UsageError } from './usage-error.js';

/** Options that name the connection; exactly one source counts. */
export interface ConnectionOptions {
  readonly connection?: string;
  readonly connectionFile?: string;
}

const VARIABLE = 'PG_ENTRA_CONNECTION';

/**
 * The connection string of `--connection`, `--connection-file` or PG_ENTRA_CONNECTION, in this
 * order. Warns of secrets on the command line, which other users of the machine can read.
 */
export async function readConnection(options: ConnectionOptions, io: Io): Promise<string> {
  const { connection, connectionFile } = options;
  if (connection !== undefined && connectionFile !== undefined) {
    throw new UsageError('Give --connection or --connection-file, not both.');
  }
  if (connection !== undefined) {
    warnOfSecrets(connection, io);
    return connection;
  }
  if (connectionFile !== undefined) return readFile(connectionFile, io);
  const text = io.environment[VARIABLE];
  if (text !== undefined && text !== '') return text;
  throw new UsageError(
    `No connection: give --connection TEXT or --connection-file FILE, or set ${VARIABLE}.`,
  );
}

async function readFile(path: string, io: Io): Promise<string> {
  try {
    return (await io.readFile(path)).trim();
  } catch (error) {
    throw new UsageError(`Cannot read ${path} (${(error as NodeJS.ErrnoException).code ?? 'unreadable'}).`);
  }
}

function warnOfSecrets(text: string, io: Io): void {
  const given: Readonly<Record<string, string | undefined>> = parseConnectionString(text);
  const exposed = Object.entries(manifest().connectionSpecification.properties)
    .filter(([name, schema]) => schema['airbyte_secret'] === true && isExposed(schema, given[name]))
    .map(([name]) => name);
  if (exposed.length === 0) return;
  io.err(
    `Warning: other users of this machine can read ${exposed.join(', ')} on the command line. ` +
      `Use --connection-file, ${VARIABLE}, or a value @file:PATH or @env:NAME.\n`,
  );
}

// A path shows no secret; what is longer, or has lines, is the certificate itself.
function isExposed(schema: Readonly<Record<string, unknown>>, value: string | undefined): boolean {
  if (value === undefined || /^@(file|env):/.test(value)) return false;
  return schema['x-kind'] !== 'store' || value.length > LONGEST_PATH || value.includes('\n');
}

const LONGEST_PATH = 260;
