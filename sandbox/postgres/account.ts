import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';

/** An operating system account by its numbers. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** The usual `nobody`, where /etc/passwd does not say otherwise. */
const nobody: Account = { uid: 65_534, gid: 65_534 };

/**
 * The account to run PostgreSQL as; undefined: our own. PostgreSQL refuses to run as root, so root hands it to
 * `nobody`, which must stand in the user database because initdb looks its name up.
 */
export const serverAccount = async (): Promise<Account | undefined> => {
  if (process.getuid?.() !== 0) return undefined;
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const [, uid, gid] = /^nobody:[^:]*:(\d+):(\d+):/m.exec(passwd) ?? [];
  return uid === undefined || gid === undefined ? nobody : { uid: Number(uid), gid: Number(gid) };
};

/** Whether the account may enter this folder, judged by the mode of every folder on the way. */
export const canEnter = async (directory: string, { uid, gid }: Account): Promise<boolean> => {
  for (let folder = path.resolve(directory); ; folder = path.dirname(folder)) {
    const status = await stat(folder);
    const bit = status.uid === uid ? 0o100 : status.gid === gid ? 0o010 : 0o001;
    if ((status.mode & bit) === 0) return false;
    if (folder === path.dirname(folder)) return true;
  }
};
