// Builds src, sandbox, samples and test with tsc and writes what is generated into dist/.
// Leaves a stamp behind, so that `isBuilt` can tell in milliseconds that nothing is to do.
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { DIST_FILES } from './generate.mjs';
import { withLock } from './lock.mjs';
import { Failure, isMain, root, runNode, say } from './run.mjs';

const STAMP = join(root, '.build', 'stamp.json');

/** `config` is what tsc gets, `sources` and `output` are folders; the output mirrors the sources. */
const PROJECTS = [
  { config: '.', sources: 'src', output: 'dist' },
  { config: 'sandbox', sources: 'sandbox', output: '.build/sandbox' },
  { config: 'samples', sources: 'samples', output: '.build/samples' },
  { config: 'test', sources: 'test', output: '.build/test' },
];

/** Decide about the output beside the sources: the compiler, its settings, this script. */
const OTHER_INPUTS = [
  'tsconfig.json',
  'package.json',
  'package-lock.json',
  'scripts/build.mjs',
  'scripts/generate.mjs',
];

/** Output of other tools, not swept away. */
const FOREIGN = /^dist\/n8n\//;

/** Whether the output is complete and made from the present sources. */
export function isBuilt() {
  const stamp = readStamp();
  return stamp?.inputs === hashInputs() && isComplete(stamp.outputs);
}

/** Builds what is due. A failure of the compiler has been shown when it throws. */
export async function build() {
  const isFirst = !existsSync(join(root, 'dist'));
  say(`building, ${isFirst ? 'about half a minute' : 'a few seconds to half a minute'} …`);
  const start = Date.now();
  const inputs = hashInputs();

  // tsc trusts its own notes about what it wrote; where output was lost it must write all of it again.
  const written = readStamp()?.outputs;
  const mustForce = written === undefined || !isComplete(written);
  writeStamp({ outputs: mustForce ? undefined : written });
  const tsc = [join(root, 'node_modules/typescript/bin/tsc'), '-b', ...PROJECTS.map(({ config }) => config)];
  const { code } = await runNode([...tsc, ...(mustForce ? ['--force'] : [])], { show: true });
  copyAssets();
  sweep();
  if (code !== 0) {
    writeStamp({ outputs: presentSizes() });
    throw new Failure('the build failed; the compiler says why above.');
  }
  const generated = await runNode(['scripts/generate.mjs', '--dist'], { show: true });
  if (generated.code !== 0)
    throw new Failure('the generated files could not be written; the reason stands above.');

  writeStamp({ inputs, outputs: presentSizes() });
  say(`built in ${((Date.now() - start) / 1000).toFixed(1)} s`);
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(STAMP, 'utf8'));
  } catch {
    return undefined;
  }
}

function writeStamp(stamp) {
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, JSON.stringify(stamp));
}

/** Whether the files of `sizes` are there, each with its size. */
function isComplete(sizes) {
  return Object.entries(sizes).every(([path, size]) => sizeOf(path) === size);
}

/** Files below `folder`, relative to the root, with `/`. */
function filesBelow(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

function hashInputs() {
  const hash = createHash('sha256');
  const sources = PROJECTS.flatMap(({ sources: folder }) =>
    filesBelow(folder).filter((path) => folder === 'src' || /\.ts$|tsconfig\.json$/.test(path)),
  );
  for (const path of [...OTHER_INPUTS, ...sampleFlows(), ...sources]) {
    hash.update(`${path}\0`).update(
      createHash('sha256')
        .update(readFileSync(join(root, path)))
        .digest(),
    );
  }
  return hash.digest('hex');
}

/** What `source` becomes. Only src/ has files beside its modules (icons and the like), which are copied. */
function outputsOf(source, project) {
  const target = project.output + source.slice(project.sources.length);
  if (source.endsWith('.d.ts')) return [];
  if (source.endsWith('.ts')) return ['.js', '.js.map', '.d.ts'].map((end) => target.replace(/\.ts$/, end));
  return project.sources === 'src' ? [target] : [];
}

function expectedOutputs() {
  return PROJECTS.flatMap((project) =>
    filesBelow(project.sources).flatMap((source) => outputsOf(source, project)),
  );
}

function copyAssets() {
  for (const source of filesBelow('src').filter((path) => !path.endsWith('.ts'))) {
    const target = join(root, source.replace(/^src/, 'dist'));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(root, source), target);
  }
  copyExamples();
}

/** The flow of each sample, where Node-RED looks for the examples of a package. */
function copyExamples() {
  rmSync(join(root, 'examples'), { recursive: true, force: true });
  mkdirSync(join(root, 'examples'));
  for (const path of sampleFlows()) {
    copyFileSync(join(root, path), join(root, exampleOf(path)));
  }
}

/** `samples/01-name/node-red.json` becomes `examples/01-name.json`. */
function exampleOf(path) {
  return `examples/${basename(dirname(path))}.json`;
}

function sampleFlows() {
  return filesBelow('samples').filter((path) => path.endsWith('/node-red.json'));
}

/** Removes output whose source is gone: a deleted test must not run, a deleted module not ship. */
function sweep() {
  const kept = new Set([...expectedOutputs(), ...DIST_FILES]);
  for (const { output } of PROJECTS) {
    for (const path of filesBelow(output)) {
      const isOurs = output === 'dist' || /\.(js|js\.map|d\.ts)$/.test(path);
      if (isOurs && !kept.has(path) && !FOREIGN.test(path) && !path.endsWith('.tsbuildinfo')) {
        rmSync(join(root, path));
      }
    }
  }
}

function sizeOf(path) {
  return statSync(join(root, path), { throwIfNoEntry: false })?.size;
}

function presentSizes() {
  const examples = sampleFlows().map(exampleOf);
  const paths = [...expectedOutputs(), ...DIST_FILES, ...examples].filter(
    (path) => sizeOf(path) !== undefined,
  );
  return Object.fromEntries(paths.map((path) => [path, sizeOf(path)]));
}

if (isMain(import.meta.url)) {
  await withLock(build).catch((error) => {
    console.error(error instanceof Failure ? `build: ${error.message}` : error);
    process.exitCode = 1;
  });
}
