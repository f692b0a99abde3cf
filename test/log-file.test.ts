import { expect } from 'chai';
import * as fsPromises from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import type { LogFiles } from '#src/rotating-file.js';
import { settle } from './support/fake-clock.js';
import { errorOf, failing, LINE, opening, useLogFolder } from './support/log-file.js';
import { untilTrue } from './support/use-sandbox.js';

describe('the log file', () => {
  const { path, read, readAll, names, openLog } = useLogFolder();

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
      await untilTrue(() => told.length > 0 && readAll().includes('lost: '));
      const kept = readAll().split(LINE).length - 1;
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
      expect(readAll()).to.equal(`${LINE}\n`.repeat(150));
    });
  });
});
