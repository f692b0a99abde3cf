import { channel } from 'node:diagnostics_channel';
import { systemClock, type Clock } from './clock.js';
import { describe, fill, printable, type Placeholders } from './errors.js';
import { EVENTS, type EventName, type Level, type Verbosity } from './event-table.js';
import { LogFile } from './log-file.js';

type Fields = Readonly<Record<string, string | number>>;

/** The fields of event `Name`. */
export type EventFields<Name extends EventName> = Readonly<
  Record<Placeholders<(typeof EVENTS)[Name]['text']>, string | number>
>;

/** What a host's logger receives: one line a call, already free of secrets. */
export type Logger = Readonly<Record<Level, (line: string) => void>>;

/** Which events are written, and into which file. */
export interface LogSettings {
  /** Undefined: no file. */
  readonly file: string | undefined;
  readonly verbosity: Verbosity;
  /** Whether somebody asked for it: a host's logger otherwise gets every event and decides itself. */
  readonly isVerbosityGiven: boolean;
  /** Empty: all. */
  readonly modules: readonly string[];
  /** Size that no file grows beyond; less than 100 KB counts as 100 KB. */
  readonly maxFileBytes: number;
  /** Most files kept, the present one included; 1 counts as 2, 0 or less as no limit. */
  readonly maxFiles: number;
}

/** Reports events of one connector. */
export interface Diagnostics {
  report<Name extends EventName>(name: Name, fields: EventFields<Name>): void;
  /** Why Logfile takes no lines at this moment; undefined while it does, and without one. */
  fileProblem(): string | undefined;
  /** Waits, two seconds at most, until the file holds what was reported. Later events do not get into it. */
  close(): Promise<void>;
}

export interface DiagnosticsOptions {
  /** The host's own log: receives the lines instead of the file. */
  readonly logger?: Logger | undefined;
  /** Undefined: every event goes to `logger`. */
  readonly log?: LogSettings | undefined;
  /** Names the connection in the lines of a file that several share. */
  readonly connection?: string | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * Reports to `logger` or else to the file of `log` what `log` asks for, and every event to the
 * Node.js diagnostics channel `pg-entra:<event>`, whose subscribers get the fields as an object.
 * A logger that throws and a file that cannot be written are survived: diagnostics never fail an
 * operation. No I/O before the first event.
 */
export function createDiagnostics(options: DiagnosticsOptions = {}): Diagnostics {
  const { logger, log } = options;
  const file = log?.file === undefined || logger ? undefined : openLog(log.file, log, options);
  const diagnostics: Diagnostics = {
    report(name, fields) {
      publish(name, fields);
      if (!isWanted(name, log, logger !== undefined)) return;
      if (logger) tell(logger, name, fields);
      file?.write(lineOf(name, fields, options));
    },
    fileProblem() {
      const failure = file?.failure;
      return failure && describe(failure.problem);
    },
    close: () => file?.close() ?? Promise.resolve(),
  };
  if (logger && log?.file !== undefined) {
    diagnostics.report('settings.warning', { text: 'Logfile has no effect: the host keeps the log.' });
  }
  return diagnostics;
}

function isWanted(name: EventName, log: LogSettings | undefined, isHosts: boolean): boolean {
  if (!log) return true;
  const { verbosity, module } = EVENTS[name];
  const isLoudEnough = verbosity <= log.verbosity || (isHosts && !log.isVerbosityGiven);
  return isLoudEnough && (log.modules.length === 0 || log.modules.includes(module));
}

function publish(name: EventName, fields: Fields): void {
  const subscribers = channel(`pg-entra:${name}`);
  if (!subscribers.hasSubscribers) return;
  const shown = Object.entries(fields).map(([field, value]) => [
    field,
    typeof value === 'string' ? printable(value) : value,
  ]);
  subscribers.publish(Object.fromEntries(shown));
}

function tell(logger: Logger, name: EventName, fields: Fields): void {
  const { level, text } = EVENTS[name];
  try {
    logger[level](`${name}: ${fill(text, fields)}`);
  } catch {
    // A broken logger must not break the flow.
  }
}

/** The log file of `log`. What befalls it is told whatever the log asks for. */
function openLog(path: string, log: LogSettings, options: DiagnosticsOptions): LogFile {
  const noted = <Name extends EventName>(name: Name, fields: EventFields<Name>): string => {
    publish(name, fields);
    return lineOf(name, fields, options);
  };
  return new LogFile({
    path,
    maxBytes: log.maxFileBytes,
    maxFiles: log.maxFiles,
    clock: options.clock ?? systemClock,
    isOurs: (start) => LINE_START.test(start),
    notices: {
      failed: (problem) => noted('log.failed', { problem: describe(problem) }),
      lost: (count) => noted('log.lost', { count }),
      tightened: () => noted('log.tightened', {}),
    },
  });
}

const LINE_START = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/;

/** Time, level, module, connection and event; always one line. */
function lineOf(
  name: EventName,
  fields: Fields,
  { clock = systemClock, connection }: DiagnosticsOptions,
): string {
  const { level, module, text } = EVENTS[name];
  const time = new Date(clock.wallMs()).toISOString();
  const tag = connection === undefined ? '' : ` [${printable(connection)}]`;
  return `${time} ${level} ${module}${tag} ${name}: ${fill(text, fields)}`;
}
