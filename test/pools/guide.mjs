// The examples of docs/other-pools.md, as modules.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../../scripts/run.mjs';

const EXAMPLE = /^```js (\w+)\n([^]*?)^```$/gm;
const INDEX = pathToFileURL(join(root, 'dist', 'index.js')).href;

const PEERS = join(root, 'test', 'pools', 'peers');
// There the examples find the libraries, and no tool of the project looks.
const FOLDER = join(PEERS, 'node_modules', '.guide');

/** Loads a library. */
export const requirePeer = createRequire(join(PEERS, 'package.json'));

/** Paths of the modules by the names of the examples; of the package they load this build. */
export function writeExamples() {
  mkdirSync(FOLDER, { recursive: true });
  const guide = readFileSync(join(root, 'docs', 'other-pools.md'), 'utf8');
  const examples = [...guide.matchAll(EXAMPLE)].map(([, name, text]) => {
    const path = join(FOLDER, `${name}.mjs`);
    writeFileSync(path, text.replace("'@pg-entra/connector'", JSON.stringify(INDEX)));
    return [name, path];
  });
  return Object.fromEntries(examples);
}
