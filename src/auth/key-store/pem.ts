import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { formatPemBlock, type PemBlock, pemBlocks } from './pem-blocks.js';
import {
  checkCounts,
  readCertificate,
  type StoreContents,
  type StoredCertificate,
  type StorePasswords,
} from './store-contents.js';
import { algorithmUnsupported, passwordWrong, unreadable } from './store-errors.js';
import type { WorkBudget } from './work-budget.js';

/**
 * Keys and certificates of a PEM file (RFC 7468), in any order. Keys: PKCS#8 plain and encrypted
 * (RFC 5958), PKCS#1 and SEC1 plain or with `DEK-Info` (RFC 1421, as OpenSSL writes it).
 * Certificates: on their own and in PKCS#7. Blocks of other kinds are passed over.
 *
 * @throws ConnectorError CERTIFICATE_UNREADABLE, CERTIFICATE_PASSWORD_WRONG
 */
export async function read(
  contents: Buffer,
  passwords: StorePasswords,
  budget: WorkBudget,
): Promise<StoreContents> {
  const blocks = pemBlocks(contents);
  const certificateBlocks = blocks.filter(({ label }) => CERTIFICATE_LABELS.has(label));
  const chainBlocks = blocks.filter(({ label }) => CHAIN_LABELS.has(label));
  const keyBlocks = blocks.filter(({ label }) => label.endsWith('PRIVATE KEY'));
  checkCounts(keyBlocks.length, certificateBlocks.length + chainBlocks.length);
  const password = (passwords.key ?? passwords.store)?.reveal() ?? '';
  const keys = await budget.map(keyBlocks, async (block) => ({
    privateKey: await readKey(block, password, budget),
  }));
  const certificates = await budget.map(certificateBlocks, readCertificateBlock);
  const chains = await budget.map(chainBlocks, async ({ bytes }) => {
    const { read: readChain } = await import('./p7b.js');
    return (await readChain(bytes, passwords, budget)).certificates;
  });
  certificates.push(...chains.flat());
  checkCounts(keys.length, certificates.length);
  return { keys, certificates };
}

const CERTIFICATE_LABELS: ReadonlySet<string> = new Set([
  'CERTIFICATE',
  'X509 CERTIFICATE',
  'TRUSTED CERTIFICATE',
]);
const CHAIN_LABELS: ReadonlySet<string> = new Set(['PKCS7', 'PKCS #7 SIGNED DATA', 'CMS']);

function readCertificateBlock(block: PemBlock): StoredCertificate {
  return { certificate: readCertificate(() => new X509Certificate(formatPemBlock(block))) };
}

async function readKey(block: PemBlock, password: string, budget: WorkBudget): Promise<KeyObject> {
  if (block.label === 'ENCRYPTED PRIVATE KEY') return readEncryptedPkcs8(block, password, budget);
  if (block.label === 'OPENSSH PRIVATE KEY') {
    throw unreadable(
      'an OpenSSH private key stands in it; convert the key with "ssh-keygen -p -m PKCS8 -f key"',
    );
  }
  const encryption = block.headers.get('DEK-Info');
  return encryption === undefined ? readPlainKey(block) : readTraditionalKey(block, encryption, password);
}

// node:crypto would read this too, but blocks the event loop for as many iterations as the file asks for.
async function readEncryptedPkcs8(block: PemBlock, password: string, budget: WorkBudget): Promise<KeyObject> {
  const [{ readEncryptedPrivateKey }, { passwordForms }] = await Promise.all([
    import('./private-key-info.js'),
    import('./password-forms.js'),
  ]);
  return readEncryptedPrivateKey(block.bytes, passwordForms(password), budget);
}

function readPlainKey(block: PemBlock): KeyObject {
  try {
    return createPrivateKey(formatPemBlock(block));
  } catch (error) {
    throw unreadable('its private key is damaged, or of a kind that Node.js does not know', error);
  }
}

const TRADITIONAL_CIPHERS = /^(?:(?:AES|CAMELLIA|ARIA)-(?:128|192|256)-CBC|DES-EDE3-CBC),/;

// The key is one MD5 of the password here, so decrypting it in place costs nothing.
function readTraditionalKey(block: PemBlock, encryption: string, password: string): KeyObject {
  if (!TRADITIONAL_CIPHERS.test(encryption)) {
    throw algorithmUnsupported(`DEK-Info ${encryption.split(',')[0] ?? ''}`);
  }
  try {
    return createPrivateKey({ key: formatPemBlock(block), passphrase: password });
  } catch {
    throw passwordWrong();
  }
}
