import { Option } from 'commander';
import { tokenPassword } from '../../../index.js';
import { readConnection } from '../connection.js';
import { json, textTable } from '../output.js';
import { detailOf, exitCodeOfReport, factText, renderReport } from '../report.js';
import { addConnectedCommand, logOptions, type ConnectedOptions, type Shell } from '../shell.js';
import { UsageError } from '../usage-error.js';
import { walk } from './test.js';

interface TokenOptions extends ConnectedOptions {
  readonly claims?: true;
  readonly raw?: true;
}

/** `token`: obtain a token and show what it says, or the token itself for another program. */
export function addToken(shell: Shell): void {
  addConnectedCommand(shell, 'token', 'Obtain a token and show what it says.')
    .addOption(new Option('--claims', 'print its main claims as JSON, times as dates').conflicts('raw'))
    .option('--raw', 'print the token itself and nothing else; whoever has it can act as the application')
    .action((options: TokenOptions) =>
      options.raw ? printToken(shell, options) : describeToken(shell, options),
    );
}

async function printToken({ io }: Shell, options: TokenOptions): Promise<void> {
  const connection = await readConnection(options, io);
  const password = tokenPassword(connection, logOptions(options, connection, io));
  io.out(`${await password()}\n`);
}

async function describeToken(shell: Shell, options: TokenOptions): Promise<void> {
  const { io } = shell;
  const report = await walk(options, io, true);
  shell.exitCode = exitCodeOfReport(report);
  if (!report.ok) {
    io.err(renderReport(report));
    return;
  }
  if (report.stages.some(({ name, status }) => name === 'token' && status !== 'passed'))
    throw new UsageError('AuthScheme Password has no token.');
  const claims = detailOf(report, 'token-claims');
  if (options.claims) io.out(json(readable(claims)));
  else io.out(factTable({ ...detailOf(report, 'token'), ...claims }));
}

function readable(facts: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(facts).map(([fact, value]) => [fact, factText(fact, value)]));
}

function factTable(facts: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(readable(facts)).map(([fact, value]) => ({ fact, value }));
  return textTable(['fact', 'value'], rows);
}
