import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { startNodeRed, type NodeRed } from './runner/node-red.js';
import { OpenParts } from './runner/open-parts.js';
import { renderCount, renderTable, type SampleResult } from './runner/report.js';
import { runSample } from './runner/run-sample.js';
import { PROJECT, readSamples, sampleCredentials, sampleEnvironment } from './runner/sample.js';

const USAGE = `Usage: npm start [-- --keep]

Runs the samples: starts a stand-in for the cloud and a real Node-RED on this machine, deploys the sample flows,
sends them messages and compares the answers with samples/*/expected.json. Nothing leaves this machine.

  --keep    leave the Node-RED editor open afterwards, until Ctrl-C
  --help    print this

Exit code: 0 every answer was as expected, 1 one was not, 2 wrong usage.
`;

let quiet = false;

function say(line: string): void {
  if (!quiet) process.stdout.write(`${line}\n`);
}

interface SamplesRun {
  readonly results: readonly SampleResult[];
  readonly nodeRed: NodeRed;
  readonly sandbox: Sandbox;
  readonly password: string;
}

async function runSamples(parts: OpenParts): Promise<SamplesRun> {
  say('Running the samples, about 20 seconds; nothing leaves this machine.');
  const startedAt = performance.now();
  const samples = readSamples();
  const sandbox = await startSandbox({ progress: (line) => say(`  sandbox: ${line}`) });
  await parts.add(() => sandbox.close());
  say('  Node-RED: starting');
  const password = randomBytes(12).toString('base64url');
  const nodeRed = await startNodeRed({
    userDirectory: newFolder(sandbox.directory),
    environment: sampleEnvironment(sandbox),
    packageFolder: PROJECT,
    password,
  });
  await parts.add(() => nodeRed.close());
  const flows = samples.flatMap((sample) => sample.flows);
  await nodeRed.deploy(flows, sampleCredentials(samples, sandbox));
  say(`  Node-RED: ${String(samples.length)} sample flows deployed`);
  const results: SampleResult[] = [];
  for (const sample of samples) {
    say(`  ${sample.name}: running`);
    results.push(await runSample(sample, nodeRed, sandbox));
  }
  report(results, (performance.now() - startedAt) / 1_000);
  return { results, nodeRed, sandbox, password };
}

// Below the folder of the sandbox, which is removed even if this process is killed.
function newFolder(parent: string): string {
  const folder = join(parent, 'node-red');
  mkdirSync(folder, { mode: 0o700 });
  return folder;
}

function report(results: readonly SampleResult[], seconds: number): void {
  say(`\n${renderTable(results)}\n`);
  for (const { name, story } of results) if (story !== undefined) say(`${name}: ${story}`);
  for (const { name, difference } of results) {
    if (difference !== undefined) say(`\n${name} differs from samples/${name}/expected.json:\n${difference}`);
  }
  say(`\n${renderCount(results)} (${seconds.toFixed(1)} s)`);
}

async function keepOpen({ nodeRed, sandbox, password }: SamplesRun, ended: Promise<void>): Promise<void> {
  await sandbox.control.reset();
  say(`\nThe editor is open until Ctrl-C:\n\n  ${nodeRed.url}   user admin   password ${password}\n`);
  await ended;
}

/** Resolves when somebody asks the process to end. */
function endAsked(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
  });
}

const INTERRUPTED = 130;

async function runAndClose(keep: boolean): Promise<number> {
  const parts = new OpenParts();
  const ended = endAsked();
  const run = runSamples(parts);
  try {
    const finished = await Promise.race([run, ended]);
    if (!finished) return INTERRUPTED;
    if (keep) await keepOpen(finished, ended);
    return finished.results.every(({ difference }) => difference === undefined) ? 0 : 1;
  } catch (error) {
    complain(error);
    return 1;
  } finally {
    quiet = true;
    await parts.close();
    await run.catch(() => undefined); // what fails after Ctrl-C interests nobody
  }
}

async function main(): Promise<number> {
  const wanted = readArguments();
  if (wanted === undefined) return 2;
  if (!wanted.help) return runAndClose(wanted.keep);
  process.stdout.write(USAGE);
  return 0;
}

function readArguments(): { readonly keep: boolean; readonly help: boolean } | undefined {
  const options = {
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  } as const;
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    return undefined;
  }
}

function complain(error: unknown): void {
  process.stderr.write(`npm start: ${error instanceof Error ? error.message : String(error)}\n`);
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    complain(error);
    process.exitCode = 1;
  },
);
