import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Logger } from '../../index.js';
import type { ConnectionOptions } from './connection.js';
import type { Io } from './io.js';
import { FORMATS, type Format } from './output.js';

/** Where commands are added, and what they have in common. */
export interface Shell {
  readonly program: Command;
  readonly io: Io;
  /** Exit code of a command that ended in order; 0 unless set. */
  exitCode: number;
  /** Form of the output that the present command was asked for; undefined while it is not known. */
  format: Format | undefined;
}

/** Options of every command that needs a connection. */
export interface ConnectedOptions extends ConnectionOptions {
  readonly verbosity: number;
}

/** A command that needs no connection. */
export function addCommand({ program }: Shell, name: string, about: string): Command {
  return program.command(name).description(about).copyInheritedSettings(program);
}

/** A command with the options that name the connection and the verbosity. */
export function addConnectedCommand(shell: Shell, name: string, about: string): Command {
  return addCommand(shell, name, about)
    .option('--connection <text>', 'connection string')
    .option('--connection-file <file>', 'file that holds the connection string')
    .addOption(verbosityOption());
}

/** `--format`, of all forms or of `choices`. */
export function formatOption(fallback: Format, choices: readonly Format[] = FORMATS): Option {
  return new Option('--format <format>', 'form of the output').choices(choices).default(fallback);
}

/** Diagnostics up to the asked level, on standard error. */
export function loggerOf({ verbosity }: ConnectedOptions, io: Io): Logger {
  const at =
    (level: number) =>
    (line: string): void => {
      if (level <= verbosity) io.err(`${line}\n`);
    };
  return { error: at(1), warn: at(2), info: at(3), debug: at(4) };
}

function verbosityOption(): Option {
  const about = 'diagnostics on standard error: 1 errors, 2 warnings, 3 information, 4 and 5 all';
  return new Option('--verbosity <level>', about).default(2).argParser((text) => {
    if (!/^[1-5]$/.test(text)) throw new InvalidArgumentError('Must be 1 to 5.');
    return Number(text);
  });
}
