import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { canEnter, serverAccount, type Account } from './postgres/account.js';
import { pidFileOf } from './postgres/server.js';
import type { Undoing } from './undoing.js';
import { startWatchdog } from './watchdog.js';

/** Folders that the sandbox works in. */
export interface Place {
  readonly directory: string;
  /** For PostgreSQL, owned by the account it runs as. */
  readonly postgres: string;
  readonly socket: string;
  readonly account: Account | undefined;
}

/** Longest path of a unix socket's folder; `.s.PGSQL.5432` comes behind it, and the kernel takes 103 to 107 bytes. */
const longestSocketDirectory = 85;

/**
 * New folders below `temporary`. They lie in `/tmp` instead if PostgreSQL's account cannot enter `temporary`; the
 * socket does, if its path would be too long for the kernel.
 */
export const makePlace = async (temporary: string, undoing: Undoing): Promise<Place> => {
  const account = await serverAccount();
  const parent = account && !(await canEnter(temporary, account)) ? '/tmp' : path.resolve(temporary);
  const directory = await mkdtemp(path.join(parent, 'pg-entra-sandbox-'));
  undoing.add(() => removeFolder(directory));
  if (account) await chmod(directory, 0o711);
  const postgres = path.join(directory, 'postgres');
  await mkdir(postgres, { mode: 0o700 });
  const near = path.join(postgres, 'socket');
  const socket = near.length <= longestSocketDirectory ? near : await mkdtemp('/tmp/pg-entra-');
  if (socket === near) await mkdir(socket, { mode: 0o700 });
  else undoing.add(() => removeFolder(socket));
  if (account) await Promise.all([postgres, socket].map((folder) => chown(folder, account.uid, account.gid)));
  const watchdog = startWatchdog(pidFileOf(postgres), [directory, socket]);
  undoing.add(() => watchdog.dismiss());
  return { directory, postgres, socket, account };
};

const removeFolder = (directory: string): Promise<void> =>
  rm(directory, { recursive: true, force: true, maxRetries: 5 });
