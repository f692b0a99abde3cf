// node_modules by the lock file.
import { mkdirSync, readFileSync, rmSync, statSync, accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Failure, npmCli, root, runNode, say } from './run.mjs';

const LOCK = join(root, 'package-lock.json');
/** npm writes it when an installation is complete: the packages in place, in the lock file's words. */
const INSTALLED = join(root, 'node_modules', '.package-lock.json');
const NOTICE_MS = 30_000;

/** Why node_modules has to be installed, or undefined when it is what the lock file says. */
export function whyInstall() {
  const wanted = packagesOf(LOCK);
  if (wanted === undefined) {
    throw new Failure(
      'package-lock.json is missing or damaged. Please get it back: `git checkout package-lock.json`.',
    );
  }
  const present = packagesOf(INSTALLED);
  if (present === undefined) return 'node_modules is missing or incomplete';
  const differing = Object.keys({ ...wanted, ...present }).some(
    (path) => path !== '' && !isAsWanted(wanted[path], present[path]),
  );
  if (differing) return 'node_modules is not what package-lock.json says';
  const lost = Object.keys(present).find((path) => !exists(join(root, path, 'package.json')));
  return lost === undefined ? undefined : `${lost} is missing`;
}

function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** Optional packages (binaries of other systems) may be absent. */
function isAsWanted(wanted, present) {
  if (present === undefined) return wanted.optional === true || wanted.devOptional === true;
  return wanted?.version === present.version && wanted.integrity === present.integrity;
}

function exists(path) {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Installs by the lock file, development tools included, whatever the environment says about them. */
export async function install(reason) {
  const count = Object.keys(packagesOf(LOCK)).length;
  say(`${reason}; installing up to ${count} packages by package-lock.json, usually under two minutes …`);
  const start = Date.now();
  const notice = setInterval(
    () => say(`still installing (${Math.round((Date.now() - start) / 1000)} s) …`),
    NOTICE_MS,
  );
  // Without it an installation that is interrupted from here on is seen as incomplete.
  rmSync(INSTALLED, { force: true });
  const spareCache = isWritable(cacheFolder()) ? undefined : join(root, '.build', 'npm-cache');
  try {
    const { code, output } = await runNode(
      [npmCli(), 'ci', ...OPTIONS, ...(spareCache === undefined ? [] : [`--cache=${spareCache}`])],
      { env: { ...process.env, NODE_ENV: '' } },
    );
    if (code !== 0) throw new Failure(explain(output));
  } finally {
    clearInterval(notice);
    if (spareCache !== undefined) rmSync(spareCache, { recursive: true, force: true });
  }
  const still = whyInstall();
  if (still !== undefined) {
    throw new Failure(`after \`npm ci\` ${still}. Does the npm configuration leave packages out?`);
  }
  say(`installed in ${Math.round((Date.now() - start) / 1000)} s`);
}

/** Options that the surroundings must not turn around. No package of ours needs its install script. */
const OPTIONS = [
  '--ignore-scripts',
  '--include=dev',
  '--include=optional',
  '--include=peer',
  '--no-audit',
  '--no-fund',
  '--no-global',
  '--no-dry-run',
  '--no-package-lock-only',
  '--package-lock',
  '--loglevel=warn',
];

function cacheFolder() {
  return process.env.npm_config_cache ?? join(homedir(), '.npm');
}

function isWritable(folder) {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const NETWORK =
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ECONNABORTED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|UNABLE_TO_[A-Z_]+|SELF_SIGNED_CERT_IN_CHAIN|CERT_HAS_EXPIRED)\b/;

function explain(output) {
  const network = NETWORK.exec(output)?.[1];
  if (network !== undefined) {
    return (
      `the package registry could not be reached (${network}).\n` +
      'Please check the network, and behind a proxy or a mirror the npm settings ' +
      '(`npm config get registry`, `npm config get proxy`); then run the command again.'
    );
  }
  if (/\bENOSPC\b/.test(output)) return 'the disk is full; the packages take about half a gigabyte.';
  const said = output
    .split('\n')
    .filter((line) => /^npm error (?!$)/.test(line))
    .slice(0, 12)
    .join('\n');
  return `\`npm ci\` failed:\n${said}\nPlease mend that, or run \`npm ci\` yourself, and run the command again.`;
}
