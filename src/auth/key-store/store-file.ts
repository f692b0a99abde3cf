import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** The most bytes a store may have: 1 MB, some two hundred times a usual one. */
export const MAX_STORE_BYTES = 1_000_000;

// Opening a FIFO for reading waits for a writer unless it is told not to. (Windows has no such flag, and undefined counts as 0 here.)
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * The bytes of the regular file at `path`. It never waits for a FIFO or a device and never reads
 * more than {@link MAX_STORE_BYTES}.
 *
 * @throws an Error whose `code` says why: that of the system (ENOENT, EACCES, ELOOP …),
 *   'not a regular file' or 'larger than 1 MB'
 */
export async function readStoreFile(path: string): Promise<Buffer> {
  const file = await open(path, OPEN_FLAGS);
  try {
    if (!(await file.stat()).isFile()) throw refused('not a regular file');
    return await readBounded(file);
  } finally {
    await file.close();
  }
}

// The size of stat() is not asked: it may change, and some file systems say 0.
async function readBounded(file: FileHandle): Promise<Buffer> {
  const buffer = Buffer.alloc(MAX_STORE_BYTES + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
    length += bytesRead;
    if (length > MAX_STORE_BYTES) throw refused('larger than 1 MB');
    if (bytesRead === 0) return Buffer.from(buffer.subarray(0, length));
  }
}

function refused(code: string): Error {
  return Object.assign(new Error(code), { code });
}
