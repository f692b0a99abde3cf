import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { useFolder } from './folder.js';

const MOCHA = createRequire(import.meta.url).resolve('mocha/bin/mocha.js');
const LEAKS = fileURLToPath(new URL('./leaks.js', import.meta.url));

describe('what tests leave behind', () => {
  const folder = useFolder();

  /** What mocha prints of a file whose one test runs this code. */
  function outputOf(code: string): Promise<string> {
    const file = folder.path('leaving.mjs');
    writeFileSync(file, `import { spawn } from 'node:child_process'; it('runs', () => { ${code} });`);
    const args = ['--no-config', '--exit', '--timeout', '10000', '--require', LEAKS, file];
    return new Promise((resolve) => {
      execFile(process.execPath, [MOCHA, ...args], (_error, stdout) => {
        resolve(stdout);
      });
    });
  }

  it('may take a moment to end', async () => {
    const output = await outputOf("spawn('sleep', ['0.1']);");
    expect(output).to.contain('1 passing').and.not.contain('failing');
  });

  it('is named when it stays', async () => {
    const output = await outputOf('setTimeout(() => undefined, 60_000);');
    expect(output).to.contain('the tests left behind: Timeout ×1');
  });
});
