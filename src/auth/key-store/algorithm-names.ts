// What is met in old stores and elsewhere and not supported, so that the message can name it.
const ALGORITHM_NAMES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.12.1.1', 'RC4-128 (PKCS#12)'],
  ['1.2.840.113549.1.12.1.2', 'RC4-40 (PKCS#12)'],
  ['1.2.840.113549.1.5.1', 'MD2 with DES (PBES1)'],
  ['1.2.840.113549.1.5.4', 'MD2 with RC2 (PBES1)'],
  ['1.2.840.113549.3.2', 'RC2'],
  ['1.2.840.113549.3.4', 'RC4'],
  ['1.2.840.113549.2.5', 'MD5'],
  ['1.3.6.1.4.1.188.7.1.1.2', 'IDEA'],
  ['1.3.6.1.4.1.3029.1.2', 'Blowfish'],
  ['1.2.840.113533.7.66.10', 'CAST5'],
  ['1.2.410.200004.1.4', 'SEED'],
  ['1.2.643.7.1.1.2.2', 'GOST'],
]);

/** What people call the algorithm of the object identifier `algorithm`, with the identifier itself. */
export function nameOf(algorithm: string): string {
  const name = ALGORITHM_NAMES.get(algorithm);
  return name === undefined ? `the algorithm ${algorithm}` : `${name} (${algorithm})`;
}
