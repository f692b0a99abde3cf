import { X509Certificate, createPrivateKey, generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import forge from 'node-forge';

/** An RSA key pair of 2048 bits as PEM: PKCS#8 and SPKI. */
export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** What a certificate is to say. */
export interface CertificateRequest {
  readonly commonName: string;
  /** DNS names and IP addresses for subjectAltName; with them it is a server certificate, without a client certificate. */
  readonly hosts?: readonly string[];
  /** Start of validity; one day (or 30 days before `notAfter`, if that is earlier) ago when absent. */
  readonly notBefore?: Date;
  /** End of validity; a year from now when absent. */
  readonly notAfter?: Date;
  /** Key to certify; a new one when absent. */
  readonly key?: KeyPair;
}

/** A certificate with its private key. */
export interface IssuedCertificate {
  /** The certificate alone, PEM. */
  readonly pem: string;
  /** The private key, PKCS#8 PEM, not encrypted. */
  readonly keyPem: string;
  /** The issuers' certificates, PEM; empty if it signed itself. */
  readonly chainPem: string;
  /** SHA-1 and SHA-256 of the DER form as base64url: the JWS headers `x5t` and `x5t#S256` (RFC 7515 section 4.1.7). */
  readonly thumbprintSha1: string;
  readonly thumbprintSha256: string;
}

/** A certification authority that lives as long as the object. */
export interface CertificateAuthority {
  /** Its own certificate, PEM: what a client has to trust. */
  readonly pem: string;
  issue(request: CertificateRequest): Promise<IssuedCertificate>;
}

const dayMs = 86_400_000;
const generateRsaKeyPair = promisify(generateKeyPair);

/** A new RSA key pair, made outside the event loop. */
export const generateKey = (): Promise<KeyPair> =>
  generateRsaKeyPair('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });

const keysByPurpose = new Map<string, Promise<KeyPair>>();

/**
 * The key of this process for a purpose: made once, since making keys is the dearest part of a start, and
 * every sandbox of the process may use the same ones. Another purpose has another key.
 */
export const keyFor = (purpose: string): Promise<KeyPair> => {
  const key = keysByPurpose.get(purpose) ?? generateKey();
  keysByPurpose.set(purpose, key);
  return key;
};

/** A certification authority with a name of its own, and the key of this process for that name. */
export const createCertificateAuthority = async (
  commonName = 'pg-entra sandbox CA',
): Promise<CertificateAuthority> => {
  const key = await keyFor(commonName);
  const certificate = describe({ commonName }, key);
  certificate.setIssuer(certificate.subject.attributes);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  const pem = sign(certificate, key);
  const issue = async (request: CertificateRequest): Promise<IssuedCertificate> => {
    const leafKey = request.key ?? (await generateKey());
    const leaf = describe(request, leafKey);
    leaf.setIssuer(certificate.subject.attributes);
    leaf.setExtensions(leafExtensions(request.hosts));
    return issued(sign(leaf, key), leafKey, pem);
  };
  return { pem, issue };
};

/** A certificate that is its own issuer, the way users make one for their app (or servers that nobody should trust). */
export const selfSign = async (request: CertificateRequest): Promise<IssuedCertificate> => {
  const key = request.key ?? (await generateKey());
  const certificate = describe(request, key);
  certificate.setIssuer(certificate.subject.attributes);
  certificate.setExtensions(leafExtensions(request.hosts));
  return issued(sign(certificate, key), key, '');
};

/** A PKCS#12 store (RFC 7292) with key, certificate and chain, encrypted by AES-256 under PBKDF2; the password must be ASCII. */
export const toPfx = (certificate: IssuedCertificate, password: string): Buffer => {
  const chain = [certificate.pem, ...splitPem(certificate.chainPem)].map((pem) =>
    forge.pki.certificateFromPem(pem),
  );
  const store = forge.pkcs12.toPkcs12Asn1(forge.pki.privateKeyFromPem(certificate.keyPem), chain, password, {
    algorithm: 'aes256',
    friendlyName: 'pg-entra sandbox',
  });
  return Buffer.from(forge.asn1.toDer(store).getBytes(), 'latin1');
};

/** The private key as PKCS#8 PEM encrypted by AES-256-CBC under `passphrase` (RFC 8018 PBES2), then certificate and chain. */
export const toEncryptedPem = (certificate: IssuedCertificate, passphrase: string): string => {
  const encryption = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase } as const;
  const key = createPrivateKey(certificate.keyPem).export(encryption).toString();
  return key + certificate.pem + certificate.chainPem;
};

/** Private key, certificate and chain in one PEM text. */
export const toPem = (certificate: IssuedCertificate): string =>
  certificate.keyPem + certificate.pem + certificate.chainPem;

const describe = (request: CertificateRequest, key: KeyPair): forge.pki.Certificate => {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(key.publicKey);
  certificate.serialNumber = serialNumber();
  const notAfter = request.notAfter ?? new Date(Date.now() + 365 * dayMs);
  certificate.validity.notAfter = notAfter;
  certificate.validity.notBefore =
    request.notBefore ?? new Date(Math.min(Date.now() - dayMs, notAfter.getTime() - 30 * dayMs));
  certificate.setSubject([{ name: 'commonName', value: request.commonName }]);
  return certificate;
};

/** 16 random octets as hex, positive and without a leading zero octet (RFC 5280 section 4.1.2.2). */
const serialNumber = (): string => {
  const octets = randomBytes(16);
  octets[0] = ((octets[0] ?? 0) & 0x3f) | 0x40;
  return octets.toString('hex');
};

const leafExtensions = (hosts: readonly string[] = []): object[] => [
  { name: 'basicConstraints', cA: false },
  { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
  { name: 'extKeyUsage', serverAuth: hosts.length > 0, clientAuth: hosts.length === 0 },
  ...(hosts.length > 0 ? [{ name: 'subjectAltName', altNames: hosts.map(alternativeName) }] : []),
];

/** GeneralName (RFC 5280 section 4.2.1.6): 7 is iPAddress, 2 is dNSName. */
const alternativeName = (host: string): object =>
  /^[\d.]+$|:/.test(host) ? { type: 7, ip: host } : { type: 2, value: host };

const sign = (certificate: forge.pki.Certificate, key: KeyPair): string => {
  certificate.sign(forge.pki.privateKeyFromPem(key.privateKey), forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n');
};

const issued = (pem: string, key: KeyPair, chainPem: string): IssuedCertificate => {
  const { fingerprint, fingerprint256 } = new X509Certificate(pem);
  return {
    pem,
    keyPem: key.privateKey,
    chainPem,
    thumbprintSha1: toBase64url(fingerprint),
    thumbprintSha256: toBase64url(fingerprint256),
  };
};

const toBase64url = (fingerprint: string): string =>
  Buffer.from(fingerprint.replaceAll(':', ''), 'hex').toString('base64url');

/** The certificates of a PEM text in DER form, one by one. */
export const certificateParts = (text: string): Buffer[] =>
  splitPem(text).map((pem) => new X509Certificate(pem).raw);

/** The certificates of a PEM text, one by one. */
const splitPem = (text: string): string[] =>
  text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
