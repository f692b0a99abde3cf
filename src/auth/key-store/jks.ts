import { hash, type KeyObject, timingSafeEqual, X509Certificate } from 'node:crypto';
import { JavaDataReader } from './java-data.js';
import { unprotect } from './java-key-protection.js';
import { skipSerializedObject } from './java-serialization.js';
import {
  checkCounts,
  readCertificate,
  type StoreContents,
  type StoredCertificate,
  type StoredKey,
  type StorePasswords,
} from './store-contents.js';
import { isPasswordWrong, passwordMissing, passwordWrong, unreadable } from './store-errors.js';
import type { WorkBudget } from './work-budget.js';

/**
 * Key pairs and trusted certificates of a Java key store: JKS and JCEKS, as keytool writes them;
 * secret keys are passed over
 * (sources: sun.security.provider.JavaKeyStore, com.sun.crypto.provider.JceKeyStore). The integrity
 * of the store is always checked, so it needs its password (a store of the empty one none). Keys
 * whose password is another than the one given are left locked, as long as one opens. Of entries
 * with one alias the last counts, as in Java.
 *
 * @throws ConnectorError CERTIFICATE_PASSWORD_WRONG, CERTIFICATE_PASSWORD_MISSING, CERTIFICATE_UNREADABLE,
 *   CERTIFICATE_KEY_UNSUITABLE
 */
export async function read(
  contents: Buffer,
  passwords: StorePasswords,
  budget: WorkBudget,
): Promise<StoreContents> {
  const storePassword = passwords.store?.reveal() ?? '';
  const body = checkedBody(contents, storePassword);
  if (!body) throw storePassword === '' ? passwordMissing() : passwordWrong();
  const entries = await readEntries(new JavaDataReader(body), budget);
  return openKeys(entries, passwords.key?.reveal() ?? storePassword, budget);
}

const DIGEST_BYTES = 20;
const WHITENER = 'Mighty Aphrodite';

// The store ends in a digest of its password and all that stands before.
function checkedBody(contents: Buffer, password: string): Buffer | undefined {
  const body = contents.subarray(0, -DIGEST_BYTES);
  const actual = hash('sha1', Buffer.concat([utf16(password), Buffer.from(WHITENER), body]), 'buffer');
  const expected = contents.subarray(body.length);
  return expected.length === DIGEST_BYTES && timingSafeEqual(actual, expected) ? body : undefined;
}

function utf16(password: string): Buffer {
  return Buffer.from(password, 'utf16le').swap16();
}

/** An entry: a key pair where it has a key, a trusted certificate where it has that alone, else a secret key. */
interface JavaEntry {
  readonly alias: string;
  /** EncryptedPrivateKeyInfo. */
  readonly encryptedKey?: Buffer;
  /** The certificate of the key first. */
  readonly chain: readonly X509Certificate[];
}

const MAX_ENTRIES = 1_000;
const TAG = { key: 1, certificate: 2, secretKey: 3 } as const;

async function readEntries(data: JavaDataReader, budget: WorkBudget): Promise<JavaEntry[]> {
  data.skip(4); // the magic number
  const version = data.readInt();
  if (version !== 1 && version !== 2) throw unreadable(`its version is ${version}, and 1 or 2 is known`);
  const count = data.readInt();
  const byAlias = new Map<string, JavaEntry>();
  let [keys, certificates] = [0, 0];
  if (count > MAX_ENTRIES) throw unreadable(`it holds more than ${MAX_ENTRIES} entries`);
  for (let index = 0; index < count; index++) {
    const entry = readEntry(data, version);
    keys += entry.encryptedKey ? 1 : 0;
    certificates += entry.chain.length;
    checkCounts(keys, certificates);
    await budget.giveWay();
    byAlias.set(entry.alias, entry);
  }
  return [...byAlias.values()];
}

function readEntry(data: JavaDataReader, version: number): JavaEntry {
  const tag = data.readInt();
  const alias = data.readText();
  data.skip(8); // when it was made
  if (tag === TAG.certificate) return { alias, chain: [readChainLink(data, version)] };
  if (tag === TAG.secretKey) {
    skipSerializedObject(data);
    return { alias, chain: [] };
  }
  if (tag !== TAG.key) throw unreadable(`an entry of the unknown kind ${tag} stands in it`);
  const encryptedKey = data.readBytes();
  const chainLength = data.readInt();
  checkCounts(1, chainLength);
  return {
    alias,
    encryptedKey,
    chain: Array.from({ length: chainLength }, () => readChainLink(data, version)),
  };
}

function readChainLink(data: JavaDataReader, version: number): X509Certificate {
  const kind = version === 2 ? data.readText() : 'X.509';
  const der = data.readBytes();
  if (kind !== 'X.509') throw unreadable('a certificate that is not X.509 stands in it');
  return readCertificate(() => new X509Certificate(der));
}

async function openKeys(
  entries: readonly JavaEntry[],
  keyPassword: string,
  budget: WorkBudget,
): Promise<StoreContents> {
  const keys: StoredKey[] = [];
  const locked: StoredCertificate[] = [];
  for (const { alias, encryptedKey, chain } of entries) {
    if (!encryptedKey) continue;
    const privateKey = await openKey(encryptedKey, keyPassword, budget);
    if (privateKey) keys.push({ privateKey, alias });
    else locked.push(...chain.slice(0, 1).map((certificate) => ({ certificate, alias })));
    await budget.giveWay();
  }
  if (keys.length === 0 && locked.length > 0) throw passwordWrong();
  const certificates = entries.flatMap(({ alias, chain }) =>
    chain.map((certificate, index) => (index === 0 ? { certificate, alias } : { certificate })),
  );
  return { keys, certificates, locked };
}

async function openKey(
  encryptedKey: Buffer,
  password: string,
  budget: WorkBudget,
): Promise<KeyObject | undefined> {
  try {
    return await unprotect(encryptedKey, { text: password, utf16: utf16(password) }, budget);
  } catch (error) {
    if (isPasswordWrong(error)) return undefined;
    throw error;
  }
}
