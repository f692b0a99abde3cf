const SEQUENCE = 0x30;

/**
 * Whether `contents` are that many SEQUENCEs, each the first value of the one around it (X.690, any
 * form of length), with the bytes `start` (hexadecimal) inside of the innermost.
 */
export function opensWith(contents: Buffer, depth: number, start: string): boolean {
  let at = 0;
  for (let level = 0; level < depth; level++) {
    if (contents[at] !== SEQUENCE) return false;
    const length = contents[at + 1] ?? 0;
    at += 2 + (length > 0x80 ? length - 0x80 : 0);
  }
  const expected = Buffer.from(start, 'hex');
  return contents.subarray(at, at + expected.length).equals(expected);
}
