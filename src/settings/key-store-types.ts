const WINDOWS_STORE =
  'a Windows certificate store; export the certificate with its key as PFX and use PFXFILE';
const NO_KEY = 'without a private key, which signing needs; use PFXFILE or PEMKEY_FILE';
export const SUPPORTED_TYPES = ['PFXFILE', 'PFXBLOB', 'PEMKEY_FILE', 'PEMKEY_BLOB'] as const;
export const UNSUPPORTED_TYPES = {
  USER: WINDOWS_STORE,
  MACHINE: WINDOWS_STORE,
  PUBLIC_KEY_FILE: NO_KEY,
} as const;
