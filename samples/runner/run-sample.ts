import type { Sandbox } from '#sandbox/index.js';
import { authorityFacts } from './authority-facts.js';
import { describeDifferences, differences } from './compare.js';
import { exchangeAll, rowsIn } from './exchange.js';
import type { NodeRed } from './node-red.js';
import type { SampleResult } from './report.js';
import { runRenewal } from './renewal.js';
import type { Expected, Sample } from './sample.js';

interface Run {
  /** What is compared with the members of the same names in `expected.json`. */
  readonly outcome: Pick<Expected, 'exchanges' | 'facts'>;
  readonly rows: number;
  readonly story?: string;
}

/** Samples that do more than send the requests of their `expected.json`. */
const SPECIAL: Readonly<Record<string, (nodeRed: NodeRed, sandbox: Sandbox) => Promise<Run>>> = {
  '03-renewal': async (nodeRed, sandbox) => {
    const { facts, rows, story } = await runRenewal(nodeRed, sandbox);
    return { outcome: { facts: { ...facts } }, rows, story };
  },
};

/** Runs `sample`, whose flows are deployed, and compares what came with what was expected. Never throws. */
export async function runSample(sample: Sample, nodeRed: NodeRed, sandbox: Sandbox): Promise<SampleResult> {
  const startedAt = performance.now();
  sandbox.control.clearRequests();
  const outcome = await attempt(sample, nodeRed, sandbox);
  const { credential, tokenRequests } = authorityFacts(sandbox.control.requests());
  return {
    name: sample.name,
    credential,
    rows: outcome.rows,
    ms: Math.round(performance.now() - startedAt),
    tokenRequests,
    ...(outcome.difference !== undefined && { difference: outcome.difference }),
    ...(outcome.story !== undefined && { story: outcome.story }),
  };
}

async function attempt(
  sample: Sample,
  nodeRed: NodeRed,
  sandbox: Sandbox,
): Promise<Pick<SampleResult, 'rows' | 'difference' | 'story'>> {
  try {
    const run = SPECIAL[sample.name] ?? plainRun(sample);
    const { outcome, rows, story } = await run(nodeRed, sandbox);
    const actual = { authority: authorityFacts(sandbox.control.requests()), ...outcome };
    const found = differences(sample.expected, actual);
    return {
      rows,
      ...(found.length > 0 && { difference: describeDifferences(found) }),
      ...(story !== undefined && { story }),
    };
  } catch (error) {
    return { rows: 0, difference: `  ${error instanceof Error ? error.message : String(error)}` };
  }
}

function plainRun({ expected }: Sample): (nodeRed: NodeRed) => Promise<Run> {
  return async (nodeRed) => {
    const exchanges = await exchangeAll(nodeRed, expected.exchanges ?? []);
    return { outcome: { exchanges }, rows: rowsIn(exchanges) };
  };
}
