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
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { LogFile, type LogFileOptions, type LogFiles, type OpenFile } from '#src/log-file.js';
import { FakeClock, settle } from './support/fake-clock.js';
import { useFolder } from './support/folder.js';
import { untilTrue } from './support/use-sandbox.js';

const SMALLEST = 102_400;
const LINE = 'x'.repeat(999);

describe('the log file', () => {
  const folder = useFolder();
  const path = (): string => folder.path('flow.log');
  const read = (): string => readFileSync(path(), 'utf8');
  const names = (): string[] => readdirSync(folder.path()).sort();

  /** A log with everything that it told. */
  function openLog(changes: Partial<LogFileOptions> = {}): {
    log: LogFile;
    told: string[];
    clock: FakeClock;
  } {
    const told: string[] = [];
    const clock = new FakeClock();
    const note = (text: string): string => {
      told.push(text);
      return text;
    };
    const log = new LogFile({
      path: path(),
      maxBytes: SMALLEST,
      maxFiles: 0,
      clock,
      notices: {
        failed: (problem) => note(`failed: ${(problem as Error).message}`),
        lost: (count) => note(`lost: ${String(count)}`),
        tightened: () => note('tightened'),
      },
      ...changes,
    });
    return { log, told, clock };
  }

  async function writeLines(count: number, changes: Partial<LogFileOptions> = {}): Promise<void> {
    const { log } = openLog(changes);
    for (let index = 0; index < count; index += 1) log.write(LINE);
    await log.close();
  }

  it('appends lines in order and leaves nothing open', async () => {
    writeFileSync(path(), 'before\n', { mode: 0o600 });
    const { log, told } = openLog();
    for (let index = 0; index < 500; index += 1) {
      log.write(`line ${String(index)}`);
      if (index % 50 === 0) await settle();
    }
    await log.close();
    log.write('too late');
    await log.close();
    const expected = Array.from({ length: 500 }, (_, index) => `line ${String(index)}\n`).join('');
    expect(read()).to.equal(`before\n${expected}`);
    expect(told).to.deep.equal([]);
  });

  it('writes the first line at once and gathers those of the next 20 ms', async () => {
    let opened = 0;
    const files = opening((file) => {
      opened += 1;
      return file;
    });
    const { log, clock } = openLog({ files });
    log.write('a');
    await untilTrue(() => clock.pendingTimers > 0);
    expect(read()).to.equal('a\n');
    for (const line of ['b', 'c', 'd']) {
      log.write(line);
      await settle();
    }
    expect(read()).to.equal('a\n');
    clock.advance(20);
    await untilTrue(() => clock.pendingTimers > 0);
    expect(read()).to.equal('a\nb\nc\nd\n');
    expect(opened).to.equal(2);
    await log.close();
    expect(clock.pendingTimers).to.equal(0);
  });

  it('makes no file before the first line', async () => {
    await openLog().log.close();
    expect(names()).to.deep.equal([]);
  });

  it('goes on in a new file when another program has moved the present one away', async () => {
    await writeLines(1);
    renameSync(path(), folder.path('flow.log.1'));
    await writeLines(1);
    expect(names()).to.deep.equal(['flow.log', 'flow.log.1']);
  });

  describe('who can read it', () => {
    it('F-11 makes the file with mode 0600, whatever the umask', async () => {
      const before = process.umask(0);
      await writeLines(150).finally(() => process.umask(before));
      expect(names()).to.have.length(2);
      for (const name of names()) expect(statSync(folder.path(name)).mode & 0o777).to.equal(0o600);
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
          writeFileSync(folder.path('victim'), 'safe', { mode: 0o600 });
          symlinkSync(folder.path('victim'), path());
        },
        /ELOOP|EMLINK/,
      ],
      [
        'a hard link',
        () => {
          writeFileSync(folder.path('victim'), 'safe', { mode: 0o600 });
          linkSync(folder.path('victim'), path());
        },
        /second name/,
      ],
      ['a folder', () => mkdirSync(path()), /EISDIR/],
      ['a FIFO that nobody reads', () => execFileSync('mkfifo', [path()]), /ENXIO/],
      ['a folder that does not exist', () => rmSync(folder.path(), { recursive: true }), /ENOENT/],
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
        const victim = lstatSync(folder.path('victim'), { throwIfNoEntry: false });
        if (victim) expect(readFileSync(folder.path('victim'), 'utf8')).to.equal('safe');
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
      for (const name of all) expect(statSync(folder.path(name)).size).to.be.within(1, SMALLEST);
      const text = all.map((name) => readFileSync(folder.path(name), 'utf8')).join('');
      expect(text).to.equal(`${LINE}\n`.repeat(350));
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
      it(`keeps ${String(kept)} of six files where MaxLogFileCount is ${String(maxFiles)}`, async () => {
        await writeLines(550, { maxFiles });
        expect(names()).to.have.length(kept);
        const text = names().map((name) => readFileSync(folder.path(name), 'utf8'));
        // 550 KB in pieces of 96 KB: the youngest are kept.
        expect(text.at(-1)?.length).to.be.below(SMALLEST);
        if (kept < 6) expect(names()).not.to.include('flow.20261121T000000000Z.log');
      });
    }

    it('deletes nothing that it did not name', async () => {
      const strangers = ['flow.2026.log', 'flow.20261121T000000000Z.log.gz', 'other.20261121T000000000Z.log'];
      for (const name of strangers) writeFileSync(folder.path(name), '');
      await writeLines(550, { maxFiles: 2 });
      expect(names())
        .to.include.members(strangers)
        .and.to.have.length(strangers.length + 2);
    });

    it('overwrites no older file, also one made by another process in the same millisecond', async () => {
      writeFileSync(folder.path('flow.20261121T000000000Z.log'), 'older');
      await writeLines(150);
      expect(readFileSync(folder.path('flow.20261121T000000000Z.log'), 'utf8')).to.equal('older');
      expect(names()).to.have.length(3);
    });

    it('leaves the new file alone that another process has begun meanwhile', async () => {
      writeFileSync(path(), 'y'.repeat(SMALLEST), { mode: 0o600 });
      const files: LogFiles = {
        ...fsPromises,
        lstat: async (full) => {
          renameSync(path(), folder.path('flow.20200101T000000000Z.log'));
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
          renameSync(path(), folder.path('moved'));
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

  describe('trouble', () => {
    for (const code of ['ENOSPC', 'EIO', 'EROFS', 'EACCES', 'EMFILE']) {
      for (const call of ['open', 'stat', 'write'] as const) {
        it(`F-04 ${code} of ${call}: goes on, warns once, and counts the lines that are lost`, async () => {
          let full = true;
          const { log, told } = openLog({ files: failing(call, code, () => full) });
          for (const line of ['a', 'b', 'c']) {
            log.write(line);
            await settle();
          }
          await untilTrue(() => told.length > 0);
          await settle();
          expect(told).to.deep.equal([`failed: ${code}`]);
          full = false;
          log.write('d');
          await log.close();
          // A line that was on its way may have found the disk in order again.
          const written = read()
            .split('\n')
            .filter((line) => /^[abcd]$/.test(line));
          const lost = `lost: ${String(4 - written.length)}`;
          expect(written.at(-1)).to.equal('d');
          expect(told).to.deep.equal([`failed: ${code}`, lost]);
          expect(read()).to.equal(`${[...written, lost].join('\n')}\n`);
        });
      }
    }

    it('F-04 begins a new line after a write that the full disk cut', async () => {
      let room = 2;
      const files = opening((file) => ({
        ...file,
        write: (bytes, at) => {
          if (room === 0) return Promise.reject(errorOf('ENOSPC'));
          const end = Math.min(at + room, bytes.length);
          room -= end - at;
          return file.write(bytes.subarray(0, end), at);
        },
      }));
      const { log, told } = openLog({ files });
      log.write('abcdef');
      await untilTrue(() => told.length > 0);
      room = Infinity;
      log.write('next');
      await log.close();
      expect(read()).to.equal('ab\nnext\nlost: 1\n');
    });

    it('F-04 a disk that does not answer holds up nobody: memory is bounded, close waits two seconds', async () => {
      let release = (): void => undefined;
      const stuck = new Promise<void>((resolve) => {
        release = resolve;
      });
      const files = opening((file) => ({
        ...file,
        write: async (bytes, at) => {
          await stuck;
          return file.write(bytes, at);
        },
      }));
      const { log, told, clock } = openLog({ files });
      for (let index = 0; index < 3_000; index += 1) log.write(LINE);
      let isOver = false;
      const closing = log.close().then(() => (isOver = true));
      await settle();
      expect(isOver).to.equal(false);
      clock.advance(2_000);
      await closing;
      expect(clock.pendingTimers).to.equal(0);
      release();
      await untilTrue(
        () =>
          told.length > 0 &&
          names().some((name) => readFileSync(folder.path(name), 'utf8').includes('lost: ')),
      );
      const kept = names()
        .map((name) => readFileSync(folder.path(name), 'utf8').split(LINE).length - 1)
        .reduce((sum, count) => sum + count);
      // The line under way and 1 MiB behind it.
      expect(kept).to.be.within(1_048, 1_050);
      expect(told).to.deep.equal([`lost: ${String(3_000 - kept)}`]);
    });

    it('F-04 a folder that cannot be tidied loses no line', async () => {
      const files: LogFiles = { ...fsPromises, readdir: () => Promise.reject(errorOf('EACCES')) };
      const { log, told } = openLog({ files, maxFiles: 2 });
      for (let index = 0; index < 150; index += 1) log.write(LINE);
      await log.close();
      expect(told).to.deep.equal(['failed: EACCES']);
      const text = names()
        .map((name) => readFileSync(folder.path(name), 'utf8'))
        .join('');
      expect(text).to.equal(`${LINE}\n`.repeat(150));
    });
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
    const files = names().map((name) => readFileSync(folder.path(name), 'utf8'));
    const lines = files.join('').trimEnd().split('\n');
    for (const line of lines) expect(line).to.match(/^([abc]) \d+ \1* end$/);
    expect(new Set(lines)).to.have.length(6_000);
    expect(lines).to.have.length(6_000);
    expect(files.length).to.be.greaterThan(5);
  });
});

function errorOf(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** Real files, of which `change` changes what an open one does. */
function opening(change: (file: OpenFile) => OpenFile): LogFiles {
  return {
    ...fsPromises,
    open: async (...args) => {
      const file = await fsPromises.open(...args);
      return change({
        chmod: (mode) => file.chmod(mode),
        close: () => file.close(),
        stat: () => file.stat(),
        write: (bytes, from) => file.write(bytes, from),
      });
    },
  };
}

/** Real files, of which `call` fails with `code` while `isBad`. */
function failing(call: 'open' | 'stat' | 'write', code: string, isBad: () => boolean): LogFiles {
  const failure = (): Promise<never> => Promise.reject(errorOf(code));
  if (call === 'open') {
    return { ...fsPromises, open: (...args) => (isBad() ? failure() : fsPromises.open(...args)) };
  }
  return opening((file) => (isBad() ? { ...file, [call]: failure } : file));
}
