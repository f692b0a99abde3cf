import { createConnector, type Result } from '../../../index.js';
import { readConnection } from '../connection.js';
import type { Io } from '../io.js';
import { json, renderRows, type Format } from '../output.js';
import {
  addConnectedCommand,
  formatOption,
  logOptions,
  type ConnectedOptions,
  type Shell,
} from '../shell.js';
import { UsageError } from '../usage-error.js';

const EXAMPLES = `
Examples:
  pg-entra run select --sql 'select * from orders where id = $1' --parameter 42 --format table
  echo '{"table":"orders","rows":[{"id":1,"total":"9.50"}],"conflictColumns":["id"]}' |
    pg-entra run upsert --input -
"pg-entra spec" prints the input schema of each operation.
`;

interface RunOptions extends ConnectedOptions {
  readonly format: Format;
  readonly input?: string;
  readonly sql?: string;
  readonly parameter?: readonly string[];
}

/** `run`: one operation, its input from a file, standard input or options. */
export function addRun(shell: Shell): void {
  const { io } = shell;
  addConnectedCommand(shell, 'run', 'Run an operation.')
    .argument('<operation>', 'select, insert, upsert or execute')
    .option('--input <file>', 'JSON input of the operation; - reads standard input')
    .option('--sql <text>', 'SQL text, for select and execute')
    .option('--parameter <value...>', 'values for $1, $2 … as text')
    .addOption(formatOption('json'))
    .addHelpText('after', EXAMPLES)
    .action(async (operation: string, options: RunOptions) => {
      const result = await run(operation, options, io);
      io.out(renderResult(result, options.format));
      if (result.truncated) io.err('Note: there are more rows; MaxRows cuts the result.\n');
    });
}

async function run(operation: string, options: RunOptions, io: Io): Promise<Result> {
  const input = await readOperationInput(options, io);
  const connection = await readConnection(options, io);
  const connector = createConnector(connection, logOptions(options, connection, io));
  try {
    return await connector.execute(operation, input, { signal: io.signal });
  } finally {
    await connector.close();
    const { log } = connector.health();
    if (log) io.err(`Note: Logfile cannot be written, lines are lost: ${log.failed}\n`);
  }
}

async function readOperationInput({ input, sql, parameter }: RunOptions, io: Io): Promise<object> {
  const given = input === undefined ? {} : parseInput(await readInputText(input, io));
  return {
    ...given,
    ...(sql !== undefined && { sql }),
    ...(parameter !== undefined && { parameters: parameter }),
  };
}

async function readInputText(source: string, io: Io): Promise<string> {
  try {
    return source === '-' ? await io.readInput() : await io.readFile(source);
  } catch (error) {
    throw new UsageError(`Cannot read ${source} (${(error as NodeJS.ErrnoException).code ?? 'unreadable'}).`);
  }
}

function parseInput(text: string): object {
  if (text.trim() === '') throw new UsageError('The input is empty.');
  const value = parseJson(text);
  if (Array.isArray(value)) throw new UsageError('The input is an array; give {"table": …, "rows": […]}.');
  if (typeof value !== 'object' || value === null) throw new UsageError('The input must be a JSON object.');
  return value;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`The input is not valid JSON: ${(error as Error).message}.`);
  }
}

function renderResult({ rows, fields, affectedRows, truncated }: Result, format: Format): string {
  if (format === 'json') return json({ rows, fields, affectedRows, ...(truncated && { truncated }) });
  const columns = fields.map(({ name }) => name);
  const text = renderRows(rows, format, { columns });
  if (format !== 'table') return text;
  return `${text}${columns.length > 0 ? counted(rows.length, 'row') : `${counted(affectedRows, 'row')} affected`}\n`;
}

function counted(count: number, noun: string): string {
  return `${String(count)} ${noun}${count === 1 ? '' : 's'}`;
}
