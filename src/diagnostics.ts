import { channel } from 'node:diagnostics_channel';
import { fill, type Placeholders } from './errors.js';

/** Levels of CData's `Verbosity`, from 1: an event is written when its level is at most the one asked for. */
export const LEVELS = ['error', 'warn', 'info', 'debug'] as const;

export type Level = (typeof LEVELS)[number];

/**
 * Every event the connector reports, with its level and its words. `{name}` is filled from the
 * fields; fields hold names, counts and durations, never values of secret properties, tokens,
 * SQL parameters or rows.
 */
export const EVENTS = {
  'settings.warning': { level: 'warn', text: '{text}' },
  'discovery.completed': { level: 'info', text: 'authority found: tenant {tenantId} at {host} ({ms} ms)' },
  'provider.found': { level: 'info', text: 'token endpoint of {issuer} found at {host} ({ms} ms)' },
  'token.requested': { level: 'debug', text: 'token requested from {host} with {credential}' },
  'token.obtained': { level: 'info', text: 'token obtained, usable for {lifetimeSeconds} s ({ms} ms)' },
  'token.failed': { level: 'info', text: 'token request failed: {code} {message}' },
  'token.kept': { level: 'warn', text: 'renewal failed, the present token stays in use: {code} {message}' },
  'token.rejected': { level: 'warn', text: 'the server refused the token; a new one is requested' },
  'authority.retry': {
    level: 'info',
    text: 'authority {host} failed ({code}); next attempt in {delayMs} ms',
  },
  'credential.kept': {
    level: 'warn',
    text: '{property} cannot be read anew, the credential in use stays: {code} {message}',
  },
  'credential.fallback': { level: 'warn', text: '{property} was refused ({code}); {used} is in use' },
  'credential.expires': { level: 'warn', text: '{property} expires on {date}, in {daysLeft} days' },
  'clock.corrected': {
    level: 'warn',
    text: 'the clock of this machine is {seconds} s from that of {host}; assertions are signed for its time',
  },
  'token.strange': { level: 'warn', text: '{text}' },
  'certificate.loaded': { level: 'info', text: 'certificate {subject} loaded, valid until {validTo}' },
  'session.opened': { level: 'debug', text: 'session {id} opened as {user} ({ms} ms)' },
  'session.closed': { level: 'debug', text: 'session {id} closed: {reason}' },
  'login.failed': { level: 'info', text: 'login failed: {code} {message}' },
  'operation.completed': {
    level: 'debug',
    text: '{operation}: {rows} rows, {affectedRows} affected ({ms} ms)',
  },
  'operation.failed': { level: 'info', text: '{operation} failed: {code} ({ms} ms)' },
} as const satisfies Record<string, { level: Level; text: string }>;

export type EventName = keyof typeof EVENTS;

/** The fields of event `Name`. */
export type EventFields<Name extends EventName> = Readonly<
  Record<Placeholders<(typeof EVENTS)[Name]['text']>, string | number>
>;

/** What a host's logger receives: one line a call, already free of secrets. */
export type Logger = Readonly<Record<Level, (line: string) => void>>;

/** Reports events of one connector. */
export interface Diagnostics {
  report<Name extends EventName>(name: Name, fields: EventFields<Name>): void;
}

/**
 * Reports to `logger` (when given) and to the Node.js diagnostics channel `pg-entra:<event>`,
 * whose subscribers get the fields as an object. A logger that throws is ignored: diagnostics
 * never fail an operation.
 */
export function createDiagnostics(logger?: Logger): Diagnostics {
  return {
    report(name, fields) {
      const subscribers = channel(`pg-entra:${name}`);
      if (subscribers.hasSubscribers) subscribers.publish(fields);
      if (logger) write(logger, name, fields);
    },
  };
}

function write(logger: Logger, name: EventName, fields: Readonly<Record<string, string | number>>): void {
  const { level, text } = EVENTS[name];
  try {
    logger[level](`${name}: ${fill(text, fields)}`);
  } catch {
    // A broken logger must not break the flow.
  }
}
