// Makes the checkout ready to run: installs by the lock file and builds, each only when it is due.
// Runs before anything is installed, so it and what it imports use nothing but Node.js itself.
// Says what it does on stderr; stdout belongs to the command that follows.
//
//   node scripts/ready.mjs              install and build
//   node scripts/ready.mjs --install    install only
import { readFileSync } from 'fs';

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const [major, minor] = /\d+\.\d+/.exec(engines.node)[0].split('.').map(Number);
const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number);

// The rest is loaded only after this check: an older Node.js could fail on its very syntax.
if (ownMajor < major || (ownMajor === major && ownMinor < minor)) {
  console.error(
    `ready: this is Node.js ${process.versions.node}, the connector needs ${major}.${minor} or newer.\n` +
      'Please install a current release (https://nodejs.org) and run the command again.',
  );
  process.exitCode = 1;
} else {
  makeReady(!process.argv.includes('--install')).catch(fail);
}

async function makeReady(alsoBuild) {
  const { install, whyInstall } = await import('./install.mjs');
  const { build, isBuilt } = await import('./build.mjs');
  const isReady = () => whyInstall() === undefined && (!alsoBuild || isBuilt());
  if (isReady()) return;

  const { withLock } = await import('./lock.mjs');
  await withLock(async () => {
    const reason = whyInstall();
    if (reason !== undefined) await install(reason);
    if (alsoBuild && !isBuilt()) await build();
  });
}

/** Prints a foreseen failure as its message alone, anything else with its stack. */
function fail(error) {
  console.error(error.name === 'Failure' ? `ready: ${error.message}` : error);
  process.exitCode = 1;
}
