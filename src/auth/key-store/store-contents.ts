import type { KeyObject, X509Certificate } from 'node:crypto';
import type { Secret } from '../../settings/secret.js';
import { unreadable } from './store-errors.js';
import type { WorkBudget } from './work-budget.js';

/** A private key as it stood in a store, already decrypted. */
export interface StoredKey {
  readonly privateKey: KeyObject;
  /** The name the store gives the entry (PKCS#12 friendlyName, Java alias, `kid` of a JWK), where it gives one. */
  readonly alias?: string | undefined;
}

/** A certificate as it stood in a store, of whatever purpose. */
export interface StoredCertificate {
  readonly certificate: X509Certificate;
  readonly alias?: string | undefined;
}

/** All that a reader took out of a store, in the order of the store. Nothing is paired or chosen yet. */
export interface StoreContents {
  readonly keys: readonly StoredKey[];
  readonly certificates: readonly StoredCertificate[];
  /** Certificates of entries whose key has another password than the one given. */
  readonly locked?: readonly StoredCertificate[];
}

/** The passwords a reader may need; an absent one counts as the empty password. */
export interface StorePasswords {
  /** Opens the store. */
  readonly store?: Secret | undefined;
  /** Opens the keys in it where theirs differs. */
  readonly key?: Secret | undefined;
}

/** Reads the bytes of one store format. Whatever it throws that is not a ConnectorError means damage. */
export type StoreReader = (
  contents: Buffer,
  passwords: StorePasswords,
  budget: WorkBudget,
) => Promise<StoreContents>;

// A store with more is no client credential, and reading it would hold the event loop up.
const MAX_CERTIFICATES = 256;
const MAX_KEYS = 32;

/** @throws ConnectorError CERTIFICATE_UNREADABLE when a store holds more than 32 keys or 256 certificates */
export function checkCounts(keys: number, certificates: number): void {
  if (keys > MAX_KEYS) throw unreadable(`it holds more than ${MAX_KEYS} private keys`);
  if (certificates > MAX_CERTIFICATES)
    throw unreadable(`it holds more than ${MAX_CERTIFICATES} certificates`);
}

/** What `parse` gives. @throws ConnectorError CERTIFICATE_UNREADABLE where node:crypto cannot parse it */
export function readCertificate(parse: () => X509Certificate): X509Certificate {
  try {
    return parse();
  } catch (error) {
    throw unreadable('one of its certificates is damaged', error);
  }
}
