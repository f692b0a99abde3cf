import { decodeText } from './text.js';
import type { StoreReader } from './store-contents.js';
import type { UNSUPPORTED_TYPES } from './unsupported-types.js';

interface StoreFormat {
  /** How messages call it. */
  readonly name: string;
  /** The OAuthJWTCertType of a path, and that of the contents themselves. */
  readonly file: string;
  readonly blob: string;
  /** Whether `contents` start as this format does. It decides by a few bytes and reads nothing. */
  readonly matches: (contents: Buffer) => boolean;
  /** Loads the reader: only who has such a store pays for it. */
  readonly load: () => Promise<{ readonly read: StoreReader }>;
}

// An ASN.1 SEQUENCE of more than 127 bytes: the tag, then the long or the indefinite form of length.
const isSequence = (contents: Buffer) =>
  contents.length > 127 && contents[0] === 0x30 && (contents[1] ?? 0) >= 0x80;
const isPem = (contents: Buffer) => decodeText(contents).includes('-----BEGIN ');

/** Every key-store format, one line each. The first that matches the contents reads them. */
export const FORMATS = [
  { name: 'PEM', file: 'PEMKEY_FILE', blob: 'PEMKEY_BLOB', matches: isPem, load: () => import('./pem.js') },
  { name: 'PKCS#12', file: 'PFXFILE', blob: 'PFXBLOB', matches: isSequence, load: () => import('./pfx.js') },
] as const satisfies readonly StoreFormat[];

export type SupportedFormat = (typeof FORMATS)[number];

/** Every value of OAuthJWTCertType: the readable ones, AUTO, and those refused with advice. */
export type KeyStoreType = SupportedFormat['file' | 'blob'] | 'AUTO' | keyof typeof UNSUPPORTED_TYPES;

/** The format whose signature `contents` bear. */
export function recognise(contents: Buffer): SupportedFormat | undefined {
  return FORMATS.find((format) => format.matches(contents));
}
