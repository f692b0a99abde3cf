// Files that are made from the tables in src/: each has one row here. They are never edited by hand.
//
//   node scripts/generate.mjs           writes all of them
//   node scripts/generate.mjs --dist    writes those that belong into dist/ (part of the build)
//   node scripts/generate.mjs --check   names those that differ from what src/ says, and fails
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isMain, root } from './run.mjs';

/** File, the module below dist/ that knows its content, and that module's function: `() => string`. */
const FILES = [
  ['connector.json', 'manifest.js', 'renderManifest'],
  ['docs/properties.md', 'documents.js', 'renderProperties'],
  ['docs/errors.md', 'documents.js', 'renderErrors'],
  ['docs/logging.md', 'documents.js', 'renderLogging'],
  ['dist/hosts/node-red/connection.html', 'hosts/node-red/editor.js', 'renderConnectionEditor'],
  ['dist/hosts/node-red/operation.html', 'hosts/node-red/editor.js', 'renderOperationEditor'],
].map(([path, module, name]) => ({ path, module, name, isCommitted: !path.startsWith('dist/') }));

/** The generated files below dist/. */
export const DIST_FILES = FILES.filter(({ isCommitted }) => !isCommitted).map(({ path }) => path);

function moduleOf({ module }) {
  return join(root, 'dist', module);
}

async function render(file) {
  const { path, module, name } = file;
  if (!existsSync(moduleOf(file))) throw new Error(`${path}: dist/${module} does not exist`);
  const { [name]: make } = await import(pathToFileURL(moduleOf(file)).href);
  if (typeof make !== 'function') throw new Error(`${path}: dist/${module} does not export ${name}()`);
  const text = make();
  if (typeof text !== 'string') throw new Error(`${path}: ${name}() did not give a string`);
  return text;
}

function present(path) {
  const target = join(root, path);
  return existsSync(target) ? readFileSync(target, 'utf8') : undefined;
}

/** Writes `text` unless it stands there already, so that an unchanged file keeps its time. */
function write(path, text) {
  if (present(path) === text) return;
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

async function main(mode) {
  const complaints = [];
  for (const file of FILES) {
    // A module that is yet to be written does not stop the build; --check names it.
    if (mode === '--dist' && (file.isCommitted || !existsSync(moduleOf(file)))) continue;
    try {
      const text = await render(file);
      if (mode !== '--check') write(file.path, text);
      else if (present(file.path) !== text) complaints.push(`${file.path} differs: run \`npm run generate\``);
    } catch (error) {
      complaints.push(error.message);
    }
  }
  for (const complaint of complaints) console.error(`generate: ${complaint}`);
  process.exitCode = complaints.length === 0 ? 0 : 1;
}

if (isMain(import.meta.url)) await main(process.argv[2]);
