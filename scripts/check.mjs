// All static checks, one line each; what a failing one said is shown. All run, even if one fails.
//
//   node scripts/check.mjs            all
//   node scripts/check.mjs lint …     those whose names begin so (after the last build)
import { runNode } from './run.mjs';
import { join } from 'node:path';

const bin = (path) => join('node_modules', path);

/** Name and command. The build comes first and alone: the checks after it look at what it wrote. */
const BUILD = ['types and build', ['scripts/build.mjs']];
const CHECKS = [
  ['lint', [bin('eslint/bin/eslint.js'), '--max-warnings=0', '.']],
  ['format', [bin('prettier/bin/prettier.cjs'), '--check', '--log-level=warn', '.']],
  [
    'imports',
    [
      bin('dependency-cruiser/bin/dependency-cruise.mjs'),
      '--output-type=err-long',
      'src',
      'sandbox',
      'samples',
      'test',
      'scripts',
      'bench',
    ],
  ],
  ['dead code and dependencies', [bin('knip/bin/knip.js'), '--no-progress']],
  ['package', ['scripts/check-package.mjs']],
  ['generated files', ['scripts/generate.mjs', '--check']],
  ['lock file', ['scripts/check-lock-file.mjs']],
];
const AT_ONCE = 2;

/** Runs one check, prints its line and gives back whether it passed. */
async function check([name, command]) {
  const start = Date.now();
  const { code, output } = await runNode(command);
  const seconds = ((Date.now() - start) / 1000).toFixed(1);
  console.log(
    `${code === 0 ? '✓' : '✗'} ${name.padEnd(28)} ${code === 0 ? 'passed' : 'FAILED'} ${seconds.padStart(6)} s`,
  );
  if (code !== 0) console.log(indent(output.trim() || `(exit code ${code}, no output)`));
  return code === 0;
}

function indent(text) {
  return text.replace(/^(?=.)/gm, '    ');
}

/** Runs `checks` in their order, at most `AT_ONCE` at a time. */
async function checkAll(checks) {
  const waiting = [...checks];
  const results = [];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      results.push(await check(next));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
}

const asked = process.argv.slice(2);
const chosen = [BUILD, ...CHECKS].filter(([name]) => asked.some((start) => name.startsWith(start)));
if (asked.length > 0 && chosen.length === 0) {
  console.error(`no such check; there are: ${[BUILD, ...CHECKS].map(([name]) => name).join(', ')}`);
  process.exit(1);
}
const results = asked.length > 0 ? await checkAll(chosen) : [await check(BUILD), ...(await checkAll(CHECKS))];
const failed = results.filter((passed) => !passed).length;
console.log(
  failed > 0 ? `${failed} of ${results.length} checks failed` : `all ${results.length} checks passed`,
);
process.exitCode = failed > 0 ? 1 : 0;
