import { expect } from 'chai';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fsPromises from 'node:fs/promises';
import {
  appendFileSync,
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { LogFiles } from '#src/rotating-file.js';
import { settle } from './support/fake-clock.js';
import { errorOf, LINE, opening, SMALLEST, useLogFolder } from './support/log-file.js';
import { untilTrue } from './support/use-sandbox.js';

describe('the rotating file', () => {
  const { path, read, readAll, names, openLog, writeLines } = useLogFolder();

  it('goes on in a new file when another program has moved the present one away', async () => {
    await writeLines(1);
    renameSync(path(), path('flow.log.1'));
    await writeLines(1);
    expect(names()).to.deep.equal(['flow.log', 'flow.log.1']);
  });

  it('closes the file after each write, good or bad', async () => {
    for (const call of ['stat', 'write', undefined] as const) {
      let open = 0;
      const files = opening((file) => {
        open += 1;
        return {
          ...file,
          ...(call !== undefined && { [call]: () => Promise.reject(errorOf('EIO')) }),
          close: async () => {
            await file.close();
            open -= 1;
          },
        };
      });
      await writeLines(150, { files });
      expect(open).to.equal(0);
    }
  });

  describe('who can read it', () => {
    it('F-11 makes the file with mode 0600, whatever the umask', async () => {
      const before = process.umask(0);
      await writeLines(150).finally(() => process.umask(before));
      expect(names()).to.have.length(2);
      for (const name of names()) expect(statSync(path(name)).mode & 0o777).to.equal(0o600);
    });

    it('F-11 closes a file that others can read, and says so in it', async () => {
      writeFileSync(path(), '');
      chmodSync(path(), 0o664);
      const { log, told } = openLog();
      log.write('a');
      await log.close();
      expect(statSync(path()).mode & 0o777).to.equal(0o600);
      expect(told).to.deep.equal(['tightened']);
      expect(read()).to.equal('a\ntightened\n');
    });

    it('F-11 refuses a file system that keeps no modes', async () => {
      writeFileSync(path(), '');
      chmodSync(path(), 0o644);
      const { log, told } = openLog({
        files: opening((file) => ({ ...file, chmod: () => Promise.resolve() })),
      });
      log.write('a');
      await log.close();
      expect(told).to.deep.equal(['failed: others can read it']);
      expect(read()).to.equal('');
    });

    it('F-11 refuses a file of another user', async () => {
      writeFileSync(path(), '', { mode: 0o600 });
      const uid = (process.getuid?.() ?? 0) + 1;
      const files = opening((file) => ({
        ...file,
        stat: async () => Object.assign(await file.stat(), { uid, isFile: () => true }),
      }));
      const { log, told } = openLog({ files });
      log.write('a');
      await log.close();
      expect(told).to.deep.equal(['failed: it belongs to another user']);
      expect(read()).to.equal('');
    });

    const REFUSED: readonly (readonly [what: string, make: () => void, problem: RegExp])[] = [
      [
        'a symbolic link',
        () => {
          writeFileSync(path('victim'), 'safe', { mode: 0o600 });
          symlinkSync(path('victim'), path());
        },
        /ELOOP|EMLINK/,
      ],
      [
        'a hard link',
        () => {
          writeFileSync(path('victim'), 'safe', { mode: 0o600 });
          linkSync(path('victim'), path());
        },
        /second name/,
      ],
      ['a folder', () => mkdirSync(path()), /EISDIR/],
      ['a FIFO that nobody reads', () => execFileSync('mkfifo', [path()]), /not a regular file/],
      ['a folder that does not exist', () => rmSync(dirname(path()), { recursive: true }), /ENOENT/],
    ];
    for (const [what, make, problem] of REFUSED) {
      it(`F-11 refuses ${what}, says so once, and does not wait`, async () => {
        make();
        const { log, told } = openLog();
        for (let index = 0; index < 3; index += 1) {
          log.write('a');
          await settle();
        }
        await log.close();
        expect(told).to.have.length(1);
        expect(told[0])
          .to.match(/^failed: /)
          .and.to.match(problem);
        const victim = lstatSync(path('victim'), { throwIfNoEntry: false });
        if (victim) expect(readFileSync(path('victim'), 'utf8')).to.equal('safe');
      });
    }

    it('F-11 refuses a device', async () => {
      const { log, told } = openLog({ path: '/dev/null' });
      log.write('a');
      await log.close();
      expect(told).to.deep.equal(['failed: it is not a regular file']);
    });
  });

  describe('rotation', () => {
    it('names the full file by date and time and never lets one grow beyond the limit', async () => {
      await writeLines(350);
      const all = names();
      expect(all).to.deep.equal([
        'flow.20261121T000000000Z.log',
        'flow.20261121T000000001Z.log',
        'flow.20261121T000000002Z.log',
        'flow.log',
      ]);
      for (const name of all) expect(statSync(path(name)).size).to.be.within(1, SMALLEST);
      expect(readAll()).to.equal(`${LINE}\n`.repeat(350));
    });

    it('counts what stood in the file before', async () => {
      writeFileSync(path(), 'y'.repeat(SMALLEST - 10), { mode: 0o600 });
      await writeLines(1);
      expect(names()).to.have.length(2);
      expect(read()).to.equal(`${LINE}\n`);
    });

    for (const [maxBytes, files] of [
      [1, 2],
      [SMALLEST, 2],
      [300_000, 1],
    ] as const) {
      it(`raises a limit below 100 KB: ${String(maxBytes)} bytes give ${String(files)} file(s) for 150 KB`, async () => {
        await writeLines(150, { maxBytes });
        expect(names()).to.have.length(files);
      });
    }

    for (const [maxFiles, kept] of [
      [-1, 6],
      [0, 6],
      [1, 2],
      [2, 2],
      [4, 4],
      [100, 6],
    ] as const) {
      it(`keeps the ${String(kept)} youngest of six files where MaxLogFileCount is ${String(maxFiles)}`, async () => {
        const lines = Array.from({ length: 550 }, (_, index) => `${String(index)} ${'x'.repeat(990)}\n`);
        const { log } = openLog({ maxFiles });
        for (const line of lines) log.write(line.trimEnd());
        await log.close();
        expect(names()).to.have.length(kept);
        expect(lines.join('').endsWith(readAll()), 'no gap before the end').to.equal(true);
      });
    }

    it('keeps names in order when the wall clock goes back', async () => {
      const { log, clock } = openLog();
      for (const step of [1, 2, 3]) {
        for (let index = 0; index < 100; index += 1) log.write(`${String(step)} ${'x'.repeat(997)}`);
        await untilTrue(() => names().length >= step && clock.pendingTimers > 0);
        clock.shiftWall(-3_600_000);
        clock.advance(20);
      }
      await log.close();
      expect(names().length).to.be.greaterThan(2);
      expect(readAll().replace(/\D/g, '')).to.equal('1'.repeat(100) + '2'.repeat(100) + '3'.repeat(100));
    });

    it('deletes nothing that it did not name', async () => {
      const strangers = ['flow.2026.log', 'flow.20261121T000000000Z.log.gz', 'other.20261121T000000000Z.log'];
      for (const name of strangers) writeFileSync(path(name), '');
      await writeLines(550, { maxFiles: 2 });
      expect(names())
        .to.include.members(strangers)
        .and.to.have.length(strangers.length + 2);
    });

    it('overwrites no older file, also one made by another process in the same millisecond', async () => {
      writeFileSync(path('flow.20261121T000000000Z.log'), 'older');
      await writeLines(150);
      expect(readFileSync(path('flow.20261121T000000000Z.log'), 'utf8')).to.equal('older');
      expect(names()).to.have.length(3);
    });

    it('leaves the new file alone that another process has begun meanwhile', async () => {
      writeFileSync(path(), 'y'.repeat(SMALLEST), { mode: 0o600 });
      const files: LogFiles = {
        ...fsPromises,
        lstat: async (full) => {
          renameSync(path(), path('flow.20200101T000000000Z.log'));
          appendFileSync(path(), 'new\n', { mode: 0o600 });
          return fsPromises.lstat(full);
        },
      };
      await writeLines(1, { files });
      expect(names()).to.deep.equal(['flow.20200101T000000000Z.log', 'flow.log']);
      expect(read()).to.equal(`new\n${LINE}\n`);
    });

    it('goes on where another process moves the file in the very same moment', async () => {
      for (const call of ['lstat', 'rename'] as const) {
        writeFileSync(path(), 'y'.repeat(SMALLEST), { mode: 0o600 });
        const moving = (from: string, to: string): Promise<never> => {
          renameSync(path(), path('moved'));
          return fsPromises[call](from, to as never) as Promise<never>;
        };
        const { log, told } = openLog({ files: { ...fsPromises, [call]: moving } });
        log.write(LINE);
        await log.close();
        expect(told).to.deep.equal([]);
        expect(names()).to.deep.equal(['flow.log', 'moved']);
        expect(read()).to.equal(`${LINE}\n`);
      }
    });

    it('writes no more than the limit where the folder does not let it rename', async () => {
      writeFileSync(path(), 'y'.repeat(SMALLEST), { mode: 0o600 });
      const files: LogFiles = { ...fsPromises, rename: () => Promise.reject(errorOf('EPERM')) };
      const { log, told } = openLog({ files });
      log.write(LINE);
      await log.close();
      expect(told).to.deep.equal(['failed: EPERM']);
      expect(names()).to.deep.equal(['flow.log']);
      expect(statSync(path()).size).to.equal(SMALLEST);
    });
  });

  it('F-05 three processes share a file through its rotations: each line whole, each line once', async () => {
    const script = `
      import { LogFile } from '#src/log-file.js';
      import { systemClock } from '#src/clock.js';
      const [path, name] = process.argv.slice(1);
      const fail = (problem) => { throw problem; };
      const log = new LogFile({ path, maxBytes: 0, maxFiles: 0, clock: systemClock,
        notices: { failed: fail, lost: fail, tightened: fail } });
      for (let index = 0; index < 2_000; index += 1) {
        log.write(name + ' ' + index + ' ' + name.repeat(index % 300) + ' end');
        if (index % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await log.close();
    `;
    const writers = ['a', 'b', 'c'].map((name) =>
      spawn(process.execPath, ['--input-type=module', '--eval', script, path(), name], { stdio: 'inherit' }),
    );
    const ends = (await Promise.all(writers.map((writer) => once(writer, 'close')))) as [number][];
    expect(ends.map(([code]) => code)).to.deep.equal([0, 0, 0]);
    const files = names().map((name) => readFileSync(path(name), 'utf8'));
    const lines = files.join('').trimEnd().split('\n');
    for (const line of lines) expect(line).to.match(/^([abc]) \d+ \1* end$/);
    expect(new Set(lines)).to.have.length(6_000);
    expect(lines).to.have.length(6_000);
    expect(files.length).to.be.greaterThan(5);
  });
});
