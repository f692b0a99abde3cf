import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  explainSettings,
  VERBOSITIES,
  type ConnectorOptions,
  type Logger,
  type Settings,
  type Verbosity,
} from '../../index.js';
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

/** Options of every command that uses a connection. */
export interface ConnectedOptions extends ConnectionOptions {
  readonly verbosity?: Verbosity;
}

/** A command that needs no connection. */
export function addCommand({ program }: Shell, name: string, about: string): Command {
  return program.command(name).description(about).copyInheritedSettings(program);
}

/** A command with the options that name the connection. */
export function addReadingCommand(shell: Shell, name: string, about: string): Command {
  return addCommand(shell, name, about)
    .option('--connection <text>', 'connection string')
    .option('--connection-file <file>', 'file that holds the connection string');
}

/** A command that uses the connection: with the options that name it, and the verbosity. */
export function addConnectedCommand(shell: Shell, name: string, about: string): Command {
  return addReadingCommand(shell, name, about).addOption(verbosityOption());
}

/** `--format`, of all forms or of `choices`. */
export function formatOption(fallback: Format, choices: readonly Format[] = FORMATS): Option {
  return new Option('--format <format>', 'form of the output').choices(choices).default(fallback);
}

/**
 * Where the log goes: to standard error as far as `--verbosity` asks; without it to the Logfile of
 * the connection, else what its Verbosity asks to standard error, else warnings alone.
 */
export function logOptions(
  { verbosity }: ConnectedOptions,
  connection: string,
  io: Io,
): Pick<ConnectorOptions, 'logger' | 'verbosity'> {
  if (verbosity !== undefined) return { logger: loggerTo(io, LEVELS), verbosity };
  const log = logSettingsOf(connection);
  if (log?.file !== undefined) return {};
  return { logger: loggerTo(io, log?.isVerbosityGiven === true ? LEVELS : ['error', 'warn']) };
}

// Wrong settings are told by whoever uses them.
function logSettingsOf(connection: string): Settings['log'] | undefined {
  try {
    return explainSettings(connection).settings.log;
  } catch {
    return undefined;
  }
}

function loggerTo(io: Io, levels: readonly Level[]): Logger {
  const at =
    (level: Level) =>
    (line: string): void => {
      if (levels.includes(level)) io.err(`${line}\n`);
    };
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
}

type Level = keyof Logger;
const LEVELS: readonly Level[] = ['error', 'warn', 'info', 'debug'];

function verbosityOption(): Option {
  const steps = Object.entries(VERBOSITIES).map(([step, adds]) => `${step} ${adds}`);
  const about = `log on standard error; each step adds to those before: ${steps.join('; ')}`;
  return new Option('--verbosity <level>', about).argParser((text) => {
    if (!/^[1-5]$/.test(text)) throw new InvalidArgumentError('Must be 1 to 5.');
    return Number(text) as Verbosity;
  });
}
