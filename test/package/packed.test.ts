import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { startNodeRed, type NodeRed } from '#samples/runner/node-red.js';
import { runSample } from '#samples/runner/run-sample.js';
import { PROJECT, readSamples, sampleCredentials, sampleEnvironment } from '#samples/runner/sample.js';

const execute = promisify(execFile);

// npm's own program, started by this Node.js: no shell, and paths may hold blanks.
const NPM = [
  process.env['npm_execpath'],
  join(dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js'),
].find((path) => path !== undefined && /npm-cli\.js$/.test(path) && existsSync(path));

async function npm(folder: string, ...words: string[]): Promise<string> {
  const [program, before] = NPM === undefined ? ['npm', []] : [process.execPath, [NPM]];
  const { stdout } = await execute(program, [...before, ...words], { cwd: folder, maxBuffer: 16_000_000 });
  return stdout;
}

describe('packed package', function () {
  this.timeout(180_000);
  let folder: string;
  let userDirectory: string;
  let files: string[];
  let sandbox: Sandbox;
  let nodeRed: NodeRed;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pg-entra packed '));
    userDirectory = join(folder, 'node red');
    const packed = await npm(
      PROJECT,
      'pack',
      '--json',
      '--ignore-scripts',
      '--loglevel=error',
      `--pack-destination=${folder}`,
    );
    const [tarball] = JSON.parse(packed) as [{ filename: string; files: { path: string }[] }];
    files = tarball.files.map(({ path }) => path);
    mkdirSync(userDirectory);
    writeFileSync(join(userDirectory, 'package.json'), '{"name":"node-red-project","private":true}');
    await npm(
      userDirectory,
      'install',
      '--ignore-scripts',
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      join(folder, tarball.filename),
    );
    sandbox = await startSandbox();
    nodeRed = await startNodeRed({ userDirectory, environment: sampleEnvironment(sandbox) });
  });
  after(async () => {
    await nodeRed.close();
    await sandbox.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('X-08 holds no private key, no fixture and no secret of the stand-in', () => {
    const installed = join(userDirectory, 'node_modules', '@pg-entra', 'connector');
    for (const path of files) {
      const text = readFileSync(join(installed, path), 'latin1');
      expect(text, path).not.to.match(/-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}/);
      expect(text, path).not.to.include(sandbox.clientSecret);
      expect(text, path).not.to.match(/eyJ[\w-]{20,}\.[\w-]{20,}\./);
    }
    expect(files.filter((path) => /fixture|\.(pem|pfx|p12|jks|key)$/.test(path))).to.deep.equal([]);
  });

  it('holds what users need and nothing else', () => {
    expect(files).to.include.members([
      'package.json',
      'README.md',
      'LICENSE',
      'connector.json',
      'dist/index.js',
      'dist/index.d.ts',
      'dist/hosts/node-red/connection.html',
      'dist/hosts/node-red/connection.js',
      'dist/hosts/node-red/operation.html',
      'dist/hosts/node-red/operation.js',
    ]);
    const foreign = /^(src|test|sandbox|samples|scripts|bench|\.)|\.test\.|\.tsbuildinfo$|\.pem$|\.pfx$/;
    expect(files.filter((path) => foreign.test(path))).to.deep.equal([]);
  });

  it('brings the samples as examples', () => {
    const examples = readSamples().map(({ name }) => `examples/${name}.json`);
    expect(files).to.include.members(examples);
  });

  it('is installed as files of its own, not as a link to this checkout', () => {
    const installed = join(userDirectory, 'node_modules/@pg-entra');
    expect(readdirSync(installed, { withFileTypes: true }).map((entry) => entry.isDirectory())).to.deep.equal(
      [true],
    );
  });

  it('has types by which the program of the README compiles strictly, libraries included', async () => {
    const readme = readFileSync(join(PROJECT, 'README.md'), 'utf8');
    const program = /```ts\n([^]+?)```/.exec(readme)?.[1];
    expect(program).to.contain('createConnector');
    writeFileSync(join(userDirectory, 'program.mts'), String(program));
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
    const typeRoots = ['--typeRoots', join(PROJECT, 'node_modules/@types')];
    const compiler = join(PROJECT, 'node_modules/typescript/bin/tsc');
    const words = [compiler, ...options, ...typeRoots, 'program.mts'];
    await execute(process.execPath, words, { cwd: userDirectory });
  });

  it('runs the first sample in an empty Node-RED', async () => {
    const [sample] = readSamples();
    await nodeRed.deploy(sample!.flows, sampleCredentials([sample!], sandbox));
    const { difference, tokenRequests } = await runSample(sample!, nodeRed, sandbox);
    expect(difference).to.equal(undefined);
    expect(tokenRequests).to.equal(1);
  });

  it('is served to the import dialog of Node-RED', async () => {
    const response = await nodeRed.call('/library/examples/flows/@pg-entra/connector');
    const text = await response.text();
    for (const { name } of readSamples()) expect(text).to.contain(name);
  });
});
