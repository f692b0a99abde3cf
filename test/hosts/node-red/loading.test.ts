import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';

const FOLDER = new URL('../../../../dist/hosts/node-red/', import.meta.url);
const NODES = ['connection.js', 'operation.js'].map((file) => new URL(file, FOLDER).href);

// A loader that writes the address of everything it loads.
const LOADER = `import { writeSync } from 'node:fs';
export async function load(url, context, next) { writeSync(1, url + '\\n'); return next(url, context); }`;
const PROGRAM = `import { register } from 'node:module';
register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(LOADER)}));
const modules = await Promise.all(${JSON.stringify(NODES)}.map((url) => import(url)));
for (const { default: register } of modules) if (typeof register !== 'function') throw new Error();`;

describe('Node-RED palette', function () {
  this.timeout(20_000);

  it('loads the description of the connector, and neither connector nor library', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', PROGRAM]);
    const files = stdout.split('\n').filter((url) => url.startsWith('file:'));
    expect(files).to.include.members(NODES);
    const ours = files.filter((url) => url.startsWith(FOLDER.href));
    expect(files).to.deep.equal(ours);
    expect(ours.map((url) => url.slice(FOLDER.href.length))).to.have.members([
      ...['connection.js', 'operation.js', 'description.js', 'form.js', 'node-types.js'],
    ]);
  });
});
