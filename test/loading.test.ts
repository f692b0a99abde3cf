import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const HEAVY = [
  '@azure/msal-node',
  'pg',
  'pg-cursor',
  'undici',
  'jose',
  'oauth4webapi',
  '@peculiar',
  'node-forge',
];

/** Packages whose code a fresh process has loaded after `import(module)`, by V8's own account. */
function packagesLoadedBy(module: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'loading-'));
  try {
    const program = `await import(${JSON.stringify(join(ROOT, module))})`;
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, NODE_V8_COVERAGE: folder },
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(stderr);
    const reports = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
    const urls = reports.flatMap((text) =>
      (JSON.parse(text) as { result: { url: string }[] }).result.map(({ url }) => url),
    );
    expect(
      urls.some((url) => url.endsWith(module)),
      'the module itself was loaded',
    ).to.equal(true);
    const names = urls.flatMap((url) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []);
    return [...new Set(names)];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('loading', function () {
  this.timeout(30_000);

  for (const module of [
    'dist/index.js',
    'dist/hosts/node-red/connection.js',
    'dist/hosts/node-red/operation.js',
  ]) {
    it(`${module} loads no driver, no MSAL, no undici and no jose before they are needed`, () => {
      const loaded = packagesLoadedBy(module);
      expect(
        loaded.filter((name) => HEAVY.some((heavy) => name === heavy || name.startsWith(`${heavy}/`))),
      ).to.deep.equal([]);
    });
  }
});
