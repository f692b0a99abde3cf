import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { access, constants, mkdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Seen from the compiled file, which lies in `.build/sandbox/oauth/`. */
const root = fileURLToPath(new URL('../../../', import.meta.url));
const sourceFile = path.join(root, 'sandbox', 'oauth', 'validator.c');
const cache = path.join(root, 'node_modules', '.cache', 'pg-entra-sandbox');

const compilers = ['cc', 'gcc'];
const options = ['-shared', '-fPIC', '-O1', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror'];

/** Time for a compiler, in ms; a quarter of a second is usual. */
const compileLimitMs = 30_000;

/** The validator as a library of this machine, or why there is none, in words that follow "off:". */
export type CompiledValidator = { readonly file: string } | { readonly off: string };

/**
 * Compiles the validator, unless this very source was compiled before; into `spare`, an existing folder, if what is
 * kept for the next time cannot be written.
 */
export const compileValidator = async (spare: string): Promise<CompiledValidator> => {
  if (process.platform !== 'linux') return { off: 'its validator is built for Linux only' };
  const source = await readFile(sourceFile);
  const key = createHash('sha256')
    .update(source)
    .update(options.join(' '))
    .update(process.arch)
    .digest('hex');
  const name = `validator-${key.slice(0, 16)}.so`;
  if (await isThere(path.join(cache, name))) return { file: path.join(cache, name) };
  await mkdir(cache, { recursive: true }).catch(() => undefined);
  const file = path.join((await isThere(cache, constants.W_OK)) ? cache : spare, name);
  // Others may compile at the same time: the file appears whole, or not at all.
  const draft = `${file}.${randomBytes(4).toString('hex')}`;
  const problem = await compileTo(draft);
  if (problem !== undefined) {
    await rm(draft, { force: true });
    return { off: problem };
  }
  await rename(draft, file);
  return { file };
};

const compileTo = async (file: string): Promise<string | undefined> => {
  for (const compiler of compilers) {
    try {
      await run(compiler, [...options, '-o', file, sourceFile], { timeout: compileLimitMs });
      return undefined;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') return `its validator cannot be compiled (${message})`;
    }
  }
  return 'it needs a C compiler (gcc and libc6-dev)';
};

const isThere = (file: string, mode: number = constants.R_OK): Promise<boolean> =>
  access(file, mode).then(
    () => true,
    () => false,
  );
