const WINDOWS_STORE =
  'a Windows certificate store; export the certificate with its key as PFX and use PFXFILE';
const JAVA_STORE =
  'a Java key store; convert it with "keytool -importkeystore -deststoretype PKCS12" and use PFXFILE';
const NO_KEY = 'without a private key, which signing needs; use PFXFILE or PEMKEY_FILE';
const NO_CERTIFICATE =
  'a key without a certificate, so it has no thumbprint; put key and certificate into a PEM file and use PEMKEY_FILE';
const JSON_KEY = 'a JSON Web Key; put key and certificate into a PEM file and use PEMKEY_FILE';
const FIPS_STORE = 'a Bouncy Castle FIPS store; export the entry as PKCS#12 and use PFXFILE';
const GOOGLE = 'a Google service account, which Microsoft Entra ID does not know; use PFXFILE or PEMKEY_FILE';

/**
 * CData's names of store types that this package knows and cannot read, with what each one is and
 * what to use instead (source: the constants of OAuthJWTCertType).
 */
export const UNSUPPORTED_TYPES = {
  USER: WINDOWS_STORE,
  MACHINE: WINDOWS_STORE,
  JKSFILE: JAVA_STORE,
  JKSBLOB: JAVA_STORE,
  PUBLIC_KEY_FILE: NO_KEY,
  PUBLIC_KEY_BLOB: NO_KEY,
  SSHPUBLIC_KEY_FILE: NO_KEY,
  SSHPUBLIC_KEY_BLOB: NO_KEY,
  P7BFILE: NO_KEY,
  P7BBLOB: NO_KEY,
  PPKFILE: NO_CERTIFICATE,
  PPKBLOB: NO_CERTIFICATE,
  XMLFILE: NO_CERTIFICATE,
  XMLBLOB: NO_CERTIFICATE,
  JWKFILE: JSON_KEY,
  JWKBLOB: JSON_KEY,
  SECURITY_KEY: 'a hardware key; use a certificate whose key can be exported, as PFXFILE or PEMKEY_FILE',
  PKCS11: 'a token module; use a certificate whose key can be exported, as PFXFILE or PEMKEY_FILE',
  BCFKSFILE: FIPS_STORE,
  BCFKSBLOB: FIPS_STORE,
  GOOGLEJSON: GOOGLE,
  GOOGLEJSONBLOB: GOOGLE,
} as const satisfies Record<string, string>;

const SIGNATURES: readonly (readonly [hex: string, description: string])[] = [
  ['feedfeed', JAVA_STORE],
  ['cececece', JAVA_STORE],
];

/** What `contents` are, with what to use instead, where they are of a known kind that cannot be read. */
export function unsupportedContents(contents: Buffer): string | undefined {
  const start = contents.subarray(0, 4).toString('hex');
  return SIGNATURES.find(([signature]) => signature === start)?.[1];
}
