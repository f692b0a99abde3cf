import { testConnection, type TestReport } from '../../../index.js';
import { readConnection } from '../connection.js';
import type { Io } from '../io.js';
import { json } from '../output.js';
import { exitCodeOfReport, renderReport } from '../report.js';
import {
  addConnectedCommand,
  formatOption,
  logOptions,
  type ConnectedOptions,
  type Shell,
} from '../shell.js';

/** `test`: every stage of a login, each with time, cause and cure. */
export function addTest(shell: Shell): void {
  const { io } = shell;
  addConnectedCommand(shell, 'test', 'Walk through every stage of a login and report each.')
    .option('--token-only', 'stop after the token; the database is not contacted', false)
    .addOption(formatOption('table', ['table', 'json']))
    .action(async (options: ConnectedOptions & { tokenOnly: boolean; format: string }) => {
      const report = await walk(options, io, options.tokenOnly);
      io.out(options.format === 'table' ? renderReport(report) : json(report));
      shell.exitCode = exitCodeOfReport(report);
    });
}

/** The report on the connection that `options` name. */
export async function walk(options: ConnectedOptions, io: Io, tokenOnly: boolean): Promise<TestReport> {
  const connection = await readConnection(options, io);
  return testConnection(connection, {
    ...logOptions(options, connection, io),
    tokenOnly,
    signal: io.signal,
  });
}
