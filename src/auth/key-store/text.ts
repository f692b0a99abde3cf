/**
 * `contents` as text: UTF-8, or UTF-16 where its byte order mark says so (what PowerShell's `>`
 * writes). The mark itself is left out. Bytes that are no text give replacement characters.
 */
export function decodeText(contents: Buffer): string {
  const utf16 = contents[0] === 0xff && contents[1] === 0xfe;
  const text = contents.toString(utf16 ? 'utf16le' : 'utf8');
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** The bytes that `text` encodes as base64 or base64url, white space left aside; undefined where it is neither. */
export function decodeBase64(text: string): Buffer | undefined {
  const digits = text.replace(/\s+/g, '');
  return BASE64.test(digits) ? Buffer.from(digits, 'base64') : undefined;
}
