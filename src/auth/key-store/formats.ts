import type { SupportedType, UnsupportedType } from '../../settings/key-store-types.js';
import { opensWith } from './asn1-signature.js';
import type { StoreReader } from './store-contents.js';
import { decodeText } from './text.js';

/** A format of key store. */
export interface StoreFormat {
  /** How messages call it. */
  readonly name: string;
  /** The OAuthJWTCertType of a path, and that of the contents themselves. */
  readonly file: SupportedType;
  readonly blob: SupportedType;
  /** Other types whose stores may be of this format as well. */
  readonly also?: readonly SupportedType[];
  /** Whether `contents` start as this format does. It decides by a few bytes and reads nothing. */
  readonly matches: (contents: Buffer) => boolean;
  /** Loads the reader: only who has such a store pays for it. */
  readonly load: () => Promise<{ readonly read: StoreReader }>;
}

// A Google key is JSON too, and quotes PEM: so JSON is asked for before PEM.
const isJson = (contents: Buffer) => /^\s*\{\s*["}]/.test(decodeText(contents));
const isPem = (contents: Buffer) => decodeText(contents).includes('-----BEGIN ');
const isJavaStore = (contents: Buffer) => /^(?:feedfeed|cececece)/.test(contents.toString('hex', 0, 4));
const isSignedData = (contents: Buffer) => opensWith(contents, 1, '06092a864886f70d010702');
const isPfx = (contents: Buffer) => opensWith(contents, 1, '020103');

/**
 * Every key-store format, one line each. The first that matches the contents reads them.
 * The chain of a P7B stands in one PEM file with the key. Java calls stores .jks that keytool has
 * been writing as PKCS#12 since Java 9, and reads either as either.
 */
// prettier-ignore
export const FORMATS: readonly StoreFormat[] = [
  { name: 'a JSON Web Key', file: 'JWKFILE', blob: 'JWKBLOB', matches: isJson, load: () => import('./jwk.js') },
  { name: 'PEM', file: 'PEMKEY_FILE', blob: 'PEMKEY_BLOB', also: ['P7BFILE', 'P7BBLOB'], matches: isPem, load: () => import('./pem.js') },
  { name: 'a Java key store', file: 'JKSFILE', blob: 'JKSBLOB', also: ['PFXFILE', 'PFXBLOB'], matches: isJavaStore, load: () => import('./jks.js') },
  { name: 'PKCS#7', file: 'P7BFILE', blob: 'P7BBLOB', also: ['PEMKEY_FILE', 'PEMKEY_BLOB'], matches: isSignedData, load: () => import('./p7b.js') },
  { name: 'PKCS#12', file: 'PFXFILE', blob: 'PFXBLOB', also: ['JKSFILE', 'JKSBLOB'], matches: isPfx, load: () => import('./pfx.js') },
];

/** Every value of OAuthJWTCertType: the readable ones, AUTO, and those refused with advice. */
export type KeyStoreType = SupportedType | UnsupportedType;

/** The format whose signature `contents` bear. */
export function recognise(contents: Buffer): StoreFormat | undefined {
  return FORMATS.find((format) => format.matches(contents));
}
