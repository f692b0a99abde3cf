/**
 * A process that shares a token file: `node child.js <role> <path> [address]`. It tells its parent what
 * it does, and ends with it.
 */
import { systemClock } from '#src/clock.js';
import { systemFiles } from '#src/auth/token-store/files.js';
import { TokenFile } from '#src/auth/token-store/token-file.js';
import { FINGERPRINT, MATERIAL, openStore, tokenOf } from './stores.js';

const [role = '', path = '', address = ''] = process.argv.slice(2);

function tell(message: object): void {
  process.send?.(message);
}

const onWarning = (warning: string): void => {
  tell({ warning });
};

/** Obtains one token when it is told to, by a request to `address`. */
async function obtain(): Promise<void> {
  const store = openStore(path, { clock: systemClock, onWarning });
  const told = new Promise((resolve) => process.once('message', resolve));
  tell({ ready: true });
  await told;
  const token = await store.obtain('key', {
    accepts: () => true,
    request: async () => ({ token: tokenOf(await (await fetch(address)).text(), systemClock) }),
  });
  tell({ token: token.value.reveal() });
}

/** Writes one token after the other for ever. */
async function write(): Promise<never> {
  const store = openStore(path, { clock: systemClock, onWarning });
  for (let writes = 0; ; writes += 1) {
    const value = `${String(process.pid)} ${String(writes)} ${'x'.repeat(Math.floor(8_000 * Math.random()))}`;
    await store.obtain('key', {
      accepts: () => false,
      request: async () => ({ token: tokenOf(value, systemClock) }),
    });
    if (writes === 0) tell({ ready: true });
  }
}

/** Reads for ever; tells what it has seen when it is asked to. */
async function read(): Promise<never> {
  const file = new TokenFile({ path, files: systemFiles, clock: systemClock, onNarrowed: () => undefined });
  const seen = { reads: 0, changes: 0, corrupt: 0 };
  let last = '';
  process.on('message', () => tell(seen));
  tell({ ready: true });
  for (;;) {
    // The writers need the processor more.
    await new Promise((resolve) => setTimeout(resolve, 1));
    const state = await file.read({ material: MATERIAL, fingerprint: FINGERPRINT });
    seen.reads += 1;
    if (state.kind === 'damaged' || state.kind === 'foreign') seen.corrupt += 1;
    if (state.kind === 'absent' && last !== '') seen.corrupt += 1;
    if (state.kind !== 'token') continue;
    const value = state.stored.token.value.reveal();
    if (value !== last) seen.changes += 1;
    last = value;
  }
}

const ROLES: Readonly<Record<string, () => Promise<unknown>>> = { obtain, write, read };

process.on('disconnect', () => process.exit());
await ROLES[role]!();
process.disconnect();
