import { chmod, lstat, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { SignJWT } from 'jose';
import { LONGEST_NOTE_BYTES } from '#src/auth/token-store/token-store.js';
import { failure } from '../../support/failure.js';
import { FakeClock, HastyClock } from '../../support/fake-clock.js';
import { gatedFiles } from './faulty-files.js';
import { filled, HOUR, MATERIAL, namesBeside, Sharer, usePaths } from './stores.js';

const newPath = usePaths();
const filledPath = (value?: string): Promise<string> => filled(newPath(), value);

describe('token file', () => {
  it('gives a starting process the token and the note of the one before, without a request', async () => {
    const path = newPath();
    const before = new Sharer(path);
    before.note = 'discovered';
    await before.obtain('first');
    const after = new Sharer(path);
    expect(after.kept).to.equal(undefined);
    expect(await after.obtain('second')).to.equal('first');
    expect(after.kept?.value.reveal()).to.equal('first');
    expect(after.requests).to.equal(0);
    expect(await after.renew('second')).to.equal('second');
    expect(after.notes).to.deep.equal(['discovered']);
    expect(await namesBeside(path)).to.deep.equal(['token']);
  });

  it('gives a running process the token that another one renewed', async () => {
    const path = await filledPath();
    const [one, other] = [new Sharer(path), new Sharer(path)];
    await Promise.all([one.obtain(''), other.obtain('')]);
    await one.renew('second');
    const isNew = {
      accepts: (token: { value: { reveal: () => string } }) => token.value.reveal() !== 'first',
    };
    expect(await other.obtain('third', isNew)).to.equal('second');
    expect(other.requests).to.equal(0);
  });

  it('reads the claims of a token anew, and its life on both clocks', async () => {
    const token = await new SignJWT({ tid: 'tenant', oid: 'object' })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(MATERIAL);
    const path = await filledPath(token);
    const clock = new FakeClock();
    clock.advance(HOUR / 4);
    const sharer = new Sharer(path, { clock });
    await sharer.obtain('');
    const { value, ...rest } = sharer.kept!;
    expect(value.reveal()).to.equal(token);
    expect(rest).to.deep.equal({
      claims: { tenantId: 'tenant', objectId: 'object' },
      lifetimeMs: HOUR,
      obtainedAtMs: 0,
      expiresAtMs: HOUR,
      expiresAtWallMs: clock.wallMs() + 0.75 * HOUR,
    });
  });

  it('keeps a note of 64 KiB, and none that is longer', async () => {
    for (const [length, isKept] of [
      [LONGEST_NOTE_BYTES, true],
      [LONGEST_NOTE_BYTES + 1, false],
    ] as const) {
      const path = newPath();
      const writer = new Sharer(path);
      writer.note = '\u0001'.repeat(length);
      await writer.obtain('token');
      const reader = new Sharer(path);
      await reader.renew('next');
      expect(reader.notes).to.deep.equal([isKept ? writer.note : undefined]);
    }
  });

  it('C-20 makes one request among ten that start cold together', async () => {
    const path = newPath();
    const sharers = Array.from({ length: 10 }, () => new Sharer(path, { clock: new HastyClock() }));
    const values = await Promise.all(sharers.map((sharer, index) => sharer.obtain(`token ${String(index)}`)));
    expect(new Set(values).size).to.equal(1);
    expect(sharers.reduce((sum, { requests }) => sum + requests, 0)).to.equal(1);
    expect(await namesBeside(path)).to.deep.equal(['token']);
  });

  it('passes the failure of a request on, keeps the file and lets the next one try', async () => {
    const path = await filledPath();
    const refused = new Error('refused');
    const sharer = new Sharer(path);
    const outcome = sharer.obtain('', { accepts: () => false, request: () => Promise.reject(refused) });
    expect(await outcome.catch((error: unknown) => error)).to.equal(refused);
    expect(await namesBeside(path)).to.deep.equal(['token']);
    expect(await new Sharer(path).obtain('')).to.equal('first');
    expect(await sharer.renew('second')).to.equal('second');
    expect(sharer.warnings).to.deep.equal([]);
  });

  it('refuses to write without a secret to encrypt with', async () => {
    const path = newPath();
    const sharer = new Sharer(path, { keyMaterial: async () => undefined });
    const { message, properties } = await failure(
      sharer.obtain('token'),
      'POSTGRESQL:SETTINGS',
      'TOKEN_FILE_KEY_MISSING',
    );
    expect(message).to.contain('OAuthSettingsKey is not set, and there is neither a client secret of 32');
    expect(properties).to.include('OAuthSettingsKey');
    expect(sharer.requests).to.equal(0);
    expect(await namesBeside(path)).to.deep.equal([]);
  });

  it("never touches the file of CData's own driver", async () => {
    const folder = join(newPath(), '..');
    for (const path of [
      join(folder, 'cdata', 'PostgreSQL Data Provider', 'OAuthSettings.txt'),
      join(folder, 'CData', 'OAuthSettings.txt'),
      join(folder, 'oauthsettings.TXT'),
      'C:\\temp\\OAuthSettings.txt',
    ])
      await failure(() => new Sharer(path), 'POSTGRESQL:SETTINGS', 'TOKEN_FILE_REFUSED');
    expect(() => new Sharer(join(folder, 'MyOAuthSettings.txt'))).not.to.throw();
  });

  it('F-05 never mixes what several write at once, for any reader, and leaves no lock', async () => {
    const path = await filledPath('start');
    const writers = [1, 2, 3].map(() => new Sharer(path, { clock: new HastyClock() }));
    const values = ['a', 'b', 'c'].map((letter) => letter.repeat(5_000));
    const writing = new AbortController();
    const reads = new Set<string>();
    const reading = (async () => {
      while (!writing.signal.aborted) reads.add(await new Sharer(path).obtain('a request of its own'));
    })();
    await Promise.all(
      writers.map(async (writer, index) => {
        for (let writes = 0; writes < 10; writes += 1) await writer.renew(values[index]!);
      }),
    );
    writing.abort();
    await reading;
    expect([...reads].filter((value) => value !== 'start' && !values.includes(value))).to.deep.equal([]);
    expect(await namesBeside(path)).to.deep.equal(['token']);
    expect(writers.flatMap(({ warnings }) => warnings)).to.deep.equal([]);
  });

  const damages: Record<string, (whole: Buffer) => Buffer> = {
    'half a file': (whole) => whole.subarray(0, whole.length / 2),
    'an empty file': () => Buffer.alloc(0),
    'a file of zeros': (whole) => Buffer.alloc(whole.length),
    'other JSON': () => Buffer.from('{"AccessTokens":{}}'),
    'a huge file': () => Buffer.alloc(3_000_000, 'x'),
    'a file with one bit flipped (F-08)': (whole) => {
      whole[100]! ^= 1;
      return whole;
    },
  };
  for (const [what, damage] of Object.entries(damages)) {
    it(`F-06 takes ${what} for no token, sets it aside once and writes a new one`, async () => {
      const path = await filledPath();
      const damaged = damage(await readFile(path));
      await writeFile(path, damaged);
      const sharer = new Sharer(path);
      expect(await sharer.obtain('second')).to.equal('second');
      expect(await namesBeside(path)).to.deep.equal(['token', 'token.unreadable']);
      expect(await readFile(`${path}.unreadable`)).to.deep.equal(damaged);
      expect(sharer.warnings).to.have.lengthOf(1);
      expect(sharer.warnings[0]).to.match(
        /^OAuthSettingsLocation: the file \S+ (is|holds) .+ keeps the first such file\.$/,
      );
      expect(await new Sharer(path).obtain('')).to.equal('second');

      await writeFile(path, 'damaged again');
      expect(await sharer.renew('third')).to.equal('third');
      expect(await namesBeside(path)).to.deep.equal(['token', 'token.unreadable']);
      expect(await readFile(`${path}.unreadable`)).to.deep.equal(damaged);
    });
  }

  it('F-06 leaves a damaged file where it is until there is something to put in its place', async () => {
    const path = newPath();
    await writeFile(path, 'damaged');
    const request = () => Promise.reject(new Error('refused'));
    await new Sharer(path).obtain('', { request }).catch(() => undefined);
    expect(await namesBeside(path)).to.deep.equal(['token']);
  });

  const strangers = {
    'F-07 another key': { keyMaterial: async () => Buffer.from('another key') },
    'F-12 another identity': { fingerprint: 'another tenant' },
    'C-12 a client secret that was replaced': { keyMaterial: async () => Buffer.from('s'.repeat(40)) },
  };
  for (const [what, options] of Object.entries(strangers)) {
    it(`${what}: no token, one warning, and the file stays as it is`, async () => {
      const path = await filledPath();
      const whole = await readFile(path);
      const stranger = new Sharer(path, options);
      expect(await stranger.obtain('own')).to.equal('own');
      expect(await stranger.obtain('')).to.equal('own');
      expect(await stranger.renew('renewed')).to.equal('renewed');
      expect(stranger.warnings).to.have.lengthOf(1);
      expect(stranger.warnings[0]).to.match(
        /^OAuthSettingsLocation: .* it stays as it is .* Remove it or name another one\.$/,
      );
      expect(await readFile(path)).to.deep.equal(whole);
      expect(await namesBeside(path)).to.deep.equal(['token']);
    });
  }

  it('remembers the note in memory where the file cannot serve', async () => {
    const stranger = new Sharer(await filledPath(), { fingerprint: 'another tenant' });
    stranger.note = 'discovered';
    for (const value of ['one', 'two']) await stranger.renew(value);
    expect(stranger.notes).to.deep.equal([undefined, 'discovered']);
  });

  it('F-09 leaves the file of a newer version as it is', async () => {
    const path = newPath();
    await writeFile(path, 'pg-entra token file 2\nsomething new');
    const sharer = new Sharer(path);
    expect(await sharer.obtain('own')).to.equal('own');
    expect(sharer.warnings.join()).to.contain('newer version');
    expect(await readFile(path, 'utf8')).to.equal('pg-entra token file 2\nsomething new');
  });

  it('F-11 makes the file for its owner alone, whatever the umask', async () => {
    const before = process.umask(0);
    try {
      const path = await filledPath();
      expect((await lstat(path)).mode & 0o777).to.equal(0o600);
    } finally {
      process.umask(before);
    }
  });

  it('F-11 narrows a file that others may read, and warns', async () => {
    const path = await filledPath();
    await chmod(path, 0o644);
    const sharer = new Sharer(path);
    expect(await sharer.obtain('')).to.equal('first');
    expect((await lstat(path)).mode & 0o777).to.equal(0o600);
    expect(sharer.warnings.join()).to.contain('was open to other accounts');
  });

  it('F-11 refuses a folder that everybody may write to, unless it is sticky', async () => {
    const path = await filledPath();
    await chmod(join(path, '..'), 0o777);
    const { message } = await failure(
      new Sharer(path).obtain(''),
      'POSTGRESQL:SETTINGS',
      'TOKEN_FILE_REFUSED',
    );
    expect(message).to.contain('every account of the machine may write to its folder');
    await chmod(join(path, '..'), 0o1777);
    expect(await new Sharer(path).obtain('')).to.equal('first');
  });

  it('F-11 refuses a symbolic link, and a folder in the place of the file', async () => {
    const path = await filledPath();
    await symlink(path, `${path}-link`);
    await mkdir(`${path}-folder`);
    for (const kind of ['link', 'folder']) {
      const sharer = new Sharer(`${path}-${kind}`);
      await failure(sharer.obtain('second'), 'POSTGRESQL:SETTINGS', 'TOKEN_FILE_REFUSED');
      expect(sharer.requests).to.equal(0);
    }
    expect(await namesBeside(path)).to.deep.equal(['token', 'token-folder', 'token-link']);
  });

  it('F-11 refuses a file of another account', async () => {
    const path = await filledPath();
    const ofOther = gatedFiles(async ({ name }, work) => {
      const result = await work();
      return name === 'file.stat' ? Object.assign(result as object, { uid: 4_711 }) : result;
    });
    const { message } = await failure(
      new Sharer(path, { files: ofOther }).obtain(''),
      'POSTGRESQL:SETTINGS',
      'TOKEN_FILE_REFUSED',
    );
    expect(message).to.contain('another account');
  });

  it('F-15 trusts a token no longer than its lifetime from now when the clock was set back', async () => {
    const path = await filledPath();
    const clock = new FakeClock();
    clock.shiftWall(-5 * HOUR);
    const sharer = new Sharer(path, { clock });
    await sharer.obtain('');
    expect(sharer.kept).to.deep.include({ expiresAtMs: HOUR, expiresAtWallMs: clock.wallMs() + HOUR });
    clock.shiftWall(5 * HOUR);
    const late = new FakeClock();
    late.advance(2 * HOUR);
    expect(await new Sharer(path, { clock: late }).obtain('second')).to.equal('second');
  });
});
