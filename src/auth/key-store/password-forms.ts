/** A password in the two encodings that key derivations take. */
export interface PasswordForm {
  /** For PBES2 (RFC 8018): UTF-8. */
  readonly utf8: Buffer;
  /** For the KDF of PKCS#12 (RFC 7292 appendix B.1): BMPString, big-endian, with a final U+0000. */
  readonly bmp: Buffer;
}

/**
 * The encodings of `password` to try. The empty password has two, because programs disagree whether
 * it is a BMPString of just the terminator or no bytes at all; every other one has a single form.
 */
export function passwordForms(password: string): readonly PasswordForm[] {
  const utf8 = Buffer.from(password, 'utf8');
  const form = { utf8, bmp: Buffer.from(`${password}\0`, 'utf16le').swap16() };
  return password === '' ? [form, { utf8, bmp: Buffer.alloc(0) }] : [form];
}
