import { Command, CommanderError } from 'commander';
import { ConnectorError, exitCodeOf, isConnectorError } from '../../index.js';
import { addCatalogue } from './commands/catalogue.js';
import { addExplain } from './commands/explain.js';
import { addProperties } from './commands/properties.js';
import { addRoleSql } from './commands/role-sql.js';
import { addRun } from './commands/run.js';
import { addTest } from './commands/test.js';
import { addToken } from './commands/token.js';
import type { Io } from './io.js';
import { renderError, type Format } from './output.js';
import type { Shell } from './shell.js';
import { UsageError } from './usage-error.js';

const HELP = `
The connection string comes from --connection, --connection-file or PG_ENTRA_CONNECTION.

Exit codes: 0 fine; 1 the operation failed; 2 wrong usage or settings; 3 authentication;
4 connectivity; 130 and 143 ended by a signal.
`;

const COMMANDS = [addTest, addExplain, addToken, addRun, addRoleSql, addProperties, addCatalogue];

/**
 * Runs `pg-entra` with `args` (without the program's own name) and gives its exit code: 0 fine,
 * 1 the operation failed, 2 wrong usage or settings, 3 authentication, 4 connectivity.
 */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  const shell: Shell = { program: createProgram(io), io, exitCode: 0, format: undefined };
  shell.program.hook('preAction', (_, command) => {
    shell.format = command.opts<{ format?: Format }>().format;
  });
  for (const add of COMMANDS) add(shell);
  try {
    await shell.program.parseAsync(args, { from: 'user' });
    return shell.exitCode;
  } catch (error) {
    return reportFailure(error, io, shell.format?.endsWith('json') === true);
  }
}

function createProgram(io: Io): Command {
  return new Command('pg-entra')
    .description('PostgreSQL with Microsoft Entra ID client credentials, from the shell.')
    .version(io.version)
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .showHelpAfterError('Run pg-entra --help for the commands.')
    .addHelpText('after', HELP);
}

function reportFailure(error: unknown, io: Io, asJson: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UsageError) {
    io.err(`${error.message}\n`);
    return 2;
  }
  const failure = isConnectorError(error) ? error : unexpected(error);
  io.err(asJson ? `${JSON.stringify(failure)}\n` : renderError(failure));
  return exitCodeOf(failure);
}

function unexpected(error: unknown): ConnectorError {
  return new ConnectorError('INTERNAL', { problem: 'an error that nobody expected' }, { cause: error });
}
