import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { failingFiles, gatedFiles, systemError, type Call } from './faulty-files.js';
import { filled, namesBeside, Sharer, usePaths } from './stores.js';

const newPath = usePaths();
const filledPath = (): Promise<string> => filled(newPath(), 'old');

/** The calls that one renewal over a file makes, in their order. */
async function callsOfRenewal(): Promise<Call[]> {
  const calls: Call[] = [];
  await new Sharer(await filledPath(), { files: failingFiles(calls) }).renew('new');
  return calls;
}

const CODES = ['ENOSPC', 'EIO', 'EROFS', 'EACCES', 'EMFILE'];

/** Tidying up is tried and no more: the two looks for what others left, and giving the lock back (its lease ends it). */
function isSilent(index: number, calls: readonly Call[]): boolean {
  const looks = calls.flatMap(({ name }, at) => (name === 'readdir' ? [at] : [])).slice(0, 2);
  return looks.includes(index) || index > calls.findLastIndex(({ name }) => name === 'file.close');
}

describe('token file on a failing disk', () => {
  it('F-03 has the bytes on the disk before the name points to them, and then the name', async () => {
    const calls = await callsOfRenewal();
    const written = calls.findIndex(({ name }) => name === 'file.writeFile');
    expect(calls.slice(written - 1, written + 7).map(({ name }) => name)).to.deep.equal([
      'open',
      'file.writeFile',
      'file.sync',
      'file.close',
      'rename',
      'open',
      'file.sync',
      'file.close',
    ]);
    const [created, , , , renamed, opened] = calls.slice(written - 1);
    expect(created?.args.slice(1)).to.deep.equal(['wx', 0o600]);
    expect(renamed?.args[0]).to.equal(created?.args[0]);
    expect(opened?.args[0]).to.equal(join(String(renamed?.args[1]), '..'));
  });

  for (const code of CODES) {
    it(`F-04 goes on in memory with one warning when any call fails with ${code}; the file stays whole`, async () => {
      const healthy = await callsOfRenewal();
      expect(healthy.length).to.be.greaterThan(20);
      for (let failing = 0; failing < healthy.length; failing += 1) {
        const path = await filledPath();
        const calls: Call[] = [];
        const sharer = new Sharer(path, { files: failingFiles(calls, failing, code) });
        expect(await sharer.renew('new')).to.equal('new');
        const at = `call ${String(failing)} ${healthy[failing]!.name}`;
        expect(sharer.requests, at).to.equal(1);
        expect(sharer.kept?.value.reveal(), at).to.equal('new');
        expect(sharer.warnings, at).to.have.lengthOf(isSilent(failing, healthy) ? 0 : 1);
        for (const text of sharer.warnings)
          expect(text, at).to.contain(code).and.to.contain('in memory only');
        expect(await new Sharer(path).obtain('lost'), at).to.be.oneOf(['old', 'new']);
        const left = (await namesBeside(path)).filter((name) => !['token', 'token.lock'].includes(name));
        expect(left, at).to.deep.equal([]);
      }
    });
  }

  it('F-04 warns once while the trouble lasts, and serves the file again when it is over', async () => {
    const path = await filledPath();
    let isFull = true;
    const files = gatedFiles(({ name }, work) =>
      isFull && name === 'mkdir' ? Promise.reject(systemError('ENOSPC')) : work(),
    );
    const sharer = new Sharer(path, { files });
    for (const value of ['one', 'two', 'three']) expect(await sharer.renew(value)).to.equal(value);
    expect(sharer.warnings).to.have.lengthOf(1);
    expect(await new Sharer(path).obtain('')).to.equal('old');
    isFull = false;
    await sharer.renew('four');
    expect(await new Sharer(path).obtain('')).to.equal('four');
    isFull = true;
    await sharer.renew('five');
    expect(sharer.warnings).to.have.lengthOf(2);
  });

  it('F-04 says which folder is missing and goes on in memory', async () => {
    const path = join(newPath(), '..', 'missing', 'token');
    const sharer = new Sharer(path);
    expect(await sharer.obtain('token')).to.equal('token');
    expect(await sharer.obtain('')).to.equal('token');
    expect(sharer.warnings).to.have.lengthOf(1);
    expect(sharer.warnings[0]).to.contain('ENOENT').and.to.contain(path);
  });

  it('F-13 shows no token, note or secret in any encoding, on the disk or on the way there', async () => {
    const path = newPath();
    const canaries = ['token', 'note', 'secret'].map((name) => `${name} "canary/+\\ü ${'x?>~'.repeat(12)}`);
    const [token = '', note = '', secret = ''] = canaries;
    const calls: Call[] = [];
    const sharer = new Sharer(path, {
      files: failingFiles(calls),
      keyMaterial: async () => Buffer.from(secret),
    });
    sharer.note = note;
    await sharer.obtain(token);
    const written = calls.flatMap(({ args }) => args.filter((arg) => Buffer.isBuffer(arg)));
    const named = calls.flatMap(({ args }) => args.filter((arg) => typeof arg === 'string'));
    const seen = [
      await readFile(path),
      ...written,
      Buffer.from(named.join('\n')),
      Buffer.from(sharer.warnings.join()),
    ];
    expect(written.length).to.be.greaterThan(0);
    for (const canary of canaries)
      for (const form of formsOf(canary))
        for (const bytes of seen) expect(bytes.includes(form), form).to.equal(false);
    // The search itself finds what is there.
    expect(
      formsOf(token).some((form) => Buffer.from(`..${token}`).toString('base64').includes(form)),
    ).to.equal(true);
  });
});

/** What `text` may look like in a file, base64 at each of its three offsets and without its unsure ends. */
function formsOf(text: string): string[] {
  const bytes = Buffer.from(text);
  const shifted = [0, 1, 2].map((offset) =>
    bytes.subarray(offset, offset + 3 * Math.floor((bytes.length - 2) / 3)),
  );
  return [
    text,
    bytes.toString('hex'),
    encodeURIComponent(text),
    JSON.stringify(text).slice(1, -1),
    bytes.toString('utf16le'),
    ...shifted.flatMap((part) => [part.toString('base64'), part.toString('base64url')]),
  ];
}
