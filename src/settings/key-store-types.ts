/** The values of OAuthJWTCertType: those that are read, and those that are refused with advice. */

/** What OAuthJWTCertType may be (CData's names): AUTO goes by the contents; the others by a path or by the contents. */
export const SUPPORTED_TYPES = [
  'AUTO',
  'PFXFILE',
  'PFXBLOB',
  'PEMKEY_FILE',
  'PEMKEY_BLOB',
  'JKSFILE',
  'JKSBLOB',
  'P7BFILE',
  'P7BBLOB',
  'JWKFILE',
  'JWKBLOB',
] as const;

const USE_PFX_OR_PEM = 'use PFXFILE or PEMKEY_FILE';
const WINDOWS_STORE =
  'a Windows certificate store; export the certificate with its private key as PFX and use PFXFILE';
const NO_KEY = `a public key or certificate alone, and signing needs the private key; ${USE_PFX_OR_PEM}`;
const SSH_KEY = `an SSH public key, which can neither sign nor be registered; ${USE_PFX_OR_PEM} with a certificate`;
const PUTTY_KEY =
  'a PuTTY key without a certificate, so it has no thumbprint; convert it with "puttygen key.ppk -O private-openssh-new -o key.pem" ' +
  'and "ssh-keygen -p -m PKCS8 -f key.pem", add the certificate to that file and use PEMKEY_FILE';
const XML_KEY =
  'an XML key without a certificate, so it has no thumbprint; put key and certificate into a PEM file and use PEMKEY_FILE';
const BOUNCY_CASTLE =
  'of Bouncy Castle; convert it with "keytool -importkeystore -deststoretype PKCS12" and the provider of Bouncy Castle, and use PFXFILE';
const FIPS_STORE = `a FIPS key store ${BOUNCY_CASTLE}`;
const BKS_STORE = `a key store (BKS or UBER) ${BOUNCY_CASTLE}`;
const HARDWARE = `a key that cannot leave its device; ${USE_PFX_OR_PEM} with a certificate whose key can be exported`;
const GOOGLE = `the key of a Google service account, which Microsoft Entra ID does not know; ${USE_PFX_OR_PEM}`;

/**
 * Kinds of store that cannot be read or cannot sign, by the names CData (and for BKS and UBER Java)
 * has for them: what each one is and what to use instead. Completes "PPKFILE is …".
 */
export const UNSUPPORTED_TYPES = {
  USER: WINDOWS_STORE,
  MACHINE: WINDOWS_STORE,
  PUBLIC_KEY_FILE: NO_KEY,
  PUBLIC_KEY_BLOB: NO_KEY,
  SSHPUBLIC_KEY_FILE: SSH_KEY,
  SSHPUBLIC_KEY_BLOB: SSH_KEY,
  PPKFILE: PUTTY_KEY,
  PPKBLOB: PUTTY_KEY,
  XMLFILE: XML_KEY,
  XMLBLOB: XML_KEY,
  SECURITY_KEY: HARDWARE,
  PKCS11: HARDWARE,
  BCFKSFILE: FIPS_STORE,
  BCFKSBLOB: FIPS_STORE,
  BKS: BKS_STORE,
  UBER: BKS_STORE,
  GOOGLEJSON: GOOGLE,
  GOOGLEJSONBLOB: GOOGLE,
} as const satisfies Readonly<Record<string, string>>;

export type SupportedType = (typeof SUPPORTED_TYPES)[number];
export type UnsupportedType = keyof typeof UNSUPPORTED_TYPES;

/** `type` for a store that `@file:` names: it is a file, whatever form its content has, and a reader looks through base64. */
export function typeOfFile(type: string): string {
  return type.replace(/BLOB$/, 'FILE');
}
