// The package as users will get it: packs it and judges the tarball.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { npmCli, root, runNode } from './run.mjs';

const folder = mkdtempSync(join(tmpdir(), 'pg-entra-pack-'));
try {
  const tarball = await pack();
  await judge(['node_modules/publint/src/cli.js', 'run', tarball, '--strict']);
  await judge([
    'node_modules/@arethetypeswrong/cli/dist/index.js',
    tarball,
    '--profile=esm-only',
    '--format=ascii',
    '--no-emoji',
  ]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function pack() {
  const { code, output, stdout } = await runNode([
    npmCli(),
    'pack',
    '--json',
    '--ignore-scripts',
    '--loglevel=error',
    `--pack-destination=${folder}`,
  ]);
  if (code !== 0) throw new Error(output);
  const [{ filename, files }] = JSON.parse(stdout);
  const packed = new Set(files.map(({ path }) => path));
  const missing = promised().filter((path) => !packed.has(path));
  if (missing.length > 0) throw new Error(`not in the package: ${missing.join(', ')}`);
  return join(folder, filename);
}

/** Files that package.json promises: those of `exports`, `bin` and `node-red`, and the single ones of `files`. */
function promised() {
  const {
    bin,
    exports,
    files,
    'node-red': nodeRed,
  } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const single = files.filter((path) => /\.\w+$/.test(path) && !path.includes('*'));
  const named = [bin, exports, nodeRed?.nodes].flatMap(leaves);
  return [...new Set([...single, ...named].map((path) => path.replace(/^\.\//, '')))];
}

function leaves(value) {
  if (typeof value === 'string') return value.startsWith('.') || value.startsWith('dist') ? [value] : [];
  return Object.values(value ?? {}).flatMap(leaves);
}

async function judge(command) {
  const { code, output } = await runNode(command);
  if (code !== 0) {
    console.error(output.trim());
    process.exitCode = 1;
  }
}
