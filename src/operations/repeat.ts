import { isConnectorError } from '../errors.js';
import { isAtomic } from '../sql/read-only.js';
import type { PlannedOperation } from './index.js';

/**
 * Whether `planned` has certainly written nothing when it failed with `error`, since the server
 * refused to write at all: it may then be repeated at another server. Several statements are one
 * transaction of ours; a single one must be one that cannot commit on its way.
 */
export function wroteNothing({ plan: { statements } }: PlannedOperation, error: unknown): boolean {
  if (!isConnectorError(error) || error.code !== 'READ_ONLY') return false;
  return statements.length > 1 || statements.every(({ text }) => isAtomic(text));
}
