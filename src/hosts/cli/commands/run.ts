import { createConnector, type Result } from '../../../index.js';
import { readConnection } from '../connection.js';
import type { Io } from '../io.js';
import { json, renderRows, type Format } from '../output.js';
import { addConnectedCommand, formatOption, loggerOf, type ConnectedOptions, type Shell } from '../shell.js';
import { UsageError } from '../usage-error.js';

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
    .action(async (operation: string, options: RunOptions) => {
      io.out(renderResult(await run(operation, options, io), options.format));
    });
}

async function run(operation: string, options: RunOptions, io: Io): Promise<Result> {
  const input = await readOperationInput(options, io);
  const connector = createConnector(await readConnection(options, io), { logger: loggerOf(options, io) });
  try {
    return await connector.execute(operation, input);
  } finally {
    await connector.close();
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
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // The same words serve text that is no JSON and JSON that is no object.
  }
  throw new UsageError('The input must be a JSON object.');
}

function renderResult(result: Result, format: Format): string {
  if (format === 'json') return json(result);
  const text = renderRows(result.rows, format);
  const { rows, affectedRows } = result;
  return format === 'table' ? `${text}${String(rows.length)} rows, ${String(affectedRows)} affected\n` : text;
}
