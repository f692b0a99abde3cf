/**
 * Whether `body` is a well-formed login message of `type` (PostgreSQL documentation, section
 * 54.7). The driver reads some malformed ones without end and throws on others.
 */
export function isWellFormed(type: string, body: Buffer): boolean {
  return SHAPES[type]?.(body) ?? false;
}

const SHAPES: Readonly<Record<string, (body: Buffer) => boolean>> = {
  R: (body) => body.length >= 4,
  E: isFieldList,
  N: isFieldList,
  S: (body) => stringsFrom(body, 0) === 2,
  K: (body) => body.length >= 8,
  Z: (body) => body.length === 1,
  v: (body) => body.length >= 8 && stringsFrom(body, 8) === body.readInt32BE(4),
};

/** ErrorResponse and NoticeResponse: a letter and a terminated string per field, then a zero byte. */
function isFieldList(body: Buffer): boolean {
  let at = 0;
  while (at < body.length && body[at] !== 0) {
    const end = body.indexOf(0, at + 1);
    if (end < 0) return false;
    at = end + 1;
  }
  return at === body.length - 1;
}

/** Number of terminated strings that fill `body` from `start` on; -1 when the last one is not terminated. */
function stringsFrom(body: Buffer, start: number): number {
  let count = 0;
  for (let at = start; at < body.length; count += 1) {
    const end = body.indexOf(0, at);
    if (end < 0) return -1;
    at = end + 1;
  }
  return count;
}
