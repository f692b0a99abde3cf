import { createPrivateKey, type JsonWebKey, type KeyObject, X509Certificate } from 'node:crypto';
import { ConnectorError } from '../../errors.js';
import { UNSUPPORTED_TYPES } from '../../settings/key-store-types.js';
import {
  checkCounts,
  readCertificate,
  type StoreContents,
  type StoredCertificate,
  type StoredKey,
  type StorePasswords,
} from './store-contents.js';
import { unreadable } from './store-errors.js';
import { decodeBase64, decodeText } from './text.js';
import type { WorkBudget } from './work-budget.js';

/**
 * Keys and certificates of a JSON Web Key or a JWK Set (RFC 7517 sections 4 and 5), plain JSON.
 * Certificates stand in `x5c`; `x5t` and `x5t#S256`, where given, must be those of the first one.
 * `kid` is the alias. Symmetric keys are passed over. At most 256 kB.
 *
 * @throws ConnectorError CERTIFICATE_UNREADABLE, CERTIFICATE_TYPE_UNSUPPORTED
 */
export async function read(
  contents: Buffer,
  _passwords: StorePasswords,
  budget: WorkBudget,
): Promise<StoreContents> {
  if (contents.length > MAX_JSON_BYTES) throw unreadable('its JSON is larger than 256 kB');
  const members = keysIn(parseJson(contents)).filter(({ kty }) => kty !== 'oct');
  checkCounts(members.length, 0);
  const keys = (await budget.map(members, readKey)).flat();
  const certificates = (await budget.map(members, readChain)).flat();
  checkCounts(keys.length, certificates.length);
  return { keys, certificates };
}

// Parsing holds the event loop up; 32 large keys with their chains take less.
const MAX_JSON_BYTES = 262_144;

type JsonObject = Readonly<Record<string, unknown>>;

function parseJson(contents: Buffer): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(decodeText(contents));
  } catch {
    // Without the error of the parser, which quotes the text.
    throw unreadable('its JSON is damaged');
  }
  if (!isObject(value)) throw unreadable('its JSON is not an object');
  return value;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function keysIn(json: JsonObject): JsonObject[] {
  if ('private_key' in json) {
    throw new ConnectorError('CERTIFICATE_TYPE_UNSUPPORTED', {
      problem: `it is ${UNSUPPORTED_TYPES.GOOGLEJSON}`,
    });
  }
  if (Array.isArray(json['keys'])) return json['keys'].filter(isObject);
  if (typeof json['kty'] !== 'string')
    throw unreadable('its JSON is neither a JSON Web Key nor a set of them');
  return [json];
}

function readKey(jwk: JsonObject): StoredKey[] {
  if (!('d' in jwk)) return [];
  if ('oth' in jwk) throw unreadable('a key in it has more than two primes');
  return [{ privateKey: importKey(jwk), ...aliasOf(jwk) }];
}

function importKey(jwk: JsonObject): KeyObject {
  try {
    return createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' });
  } catch {
    // Without the error of Node.js, which quotes what it was given.
    throw unreadable('a key in it is damaged, of an unknown kind, or lacks one of n, e, d, p, q, dp, dq, qi');
  }
}

function aliasOf({ kid }: JsonObject): { alias?: string } {
  return typeof kid === 'string' ? { alias: kid } : {};
}

function readChain(jwk: JsonObject): StoredCertificate[] {
  const { x5c = [] } = jwk;
  if (!Array.isArray(x5c)) throw unreadable('x5c is not a list');
  checkCounts(0, x5c.length);
  const chain = x5c.map(derOf).map((der) => readCertificate(() => new X509Certificate(der)));
  if (chain[0]) checkThumbprints(jwk, chain[0]);
  return chain.map((certificate) => ({ certificate }));
}

function derOf(entry: unknown): Buffer {
  const der = typeof entry === 'string' ? decodeBase64(entry) : undefined;
  if (!der) throw unreadable('an entry of x5c is not base64');
  return der;
}

// RFC 7517 sections 4.8 and 4.9.
function checkThumbprints(jwk: JsonObject, { fingerprint, fingerprint256 }: X509Certificate): void {
  for (const [name, expected] of [
    ['x5t', fingerprint],
    ['x5t#S256', fingerprint256],
  ] as const) {
    const stated = jwk[name];
    if (stated === undefined) continue;
    const thumbprint = typeof stated === 'string' ? Buffer.from(stated, 'base64url').toString('hex') : '';
    if (thumbprint.toUpperCase() !== expected.replaceAll(':', '')) {
      throw unreadable(`its ${name} is not the thumbprint of its certificate`);
    }
  }
}
