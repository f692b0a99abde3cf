import type { Clock } from '../../clock.js';
import { restoreToken } from '../access-token.js';
import { LONGEST_NOTE_BYTES, type StoredToken } from './token-store.js';

/** `stored` as the text that a file holds. */
export function toText({ token, note }: StoredToken): string {
  const { value, lifetimeMs, expiresAtWallMs } = token;
  const isKept = note !== undefined && Buffer.byteLength(note) <= LONGEST_NOTE_BYTES;
  return JSON.stringify({
    token: value.reveal(),
    lifetimeMs,
    expiresAtWallMs,
    ...(isKept && { note }),
  });
}

/** What {@link toText} wrote, with times of this process; undefined when `text` is something else. */
export function fromText(text: string, clock: Clock): StoredToken | undefined {
  const parsed = parse(text);
  if (!isWritten(parsed)) return undefined;
  const { token, note, ...life } = parsed;
  return { token: restoreToken(token, life, clock), ...(note !== undefined && { note }) };
}

interface Written {
  readonly token: string;
  readonly lifetimeMs: number;
  readonly expiresAtWallMs: number;
  readonly note?: string;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isWritten(value: unknown): value is Written {
  if (typeof value !== 'object' || value === null) return false;
  const { token, lifetimeMs, expiresAtWallMs, note } = value as Partial<Record<keyof Written, unknown>>;
  return (
    typeof token === 'string' &&
    Number.isFinite(lifetimeMs) &&
    Number.isFinite(expiresAtWallMs) &&
    (note === undefined || typeof note === 'string')
  );
}
