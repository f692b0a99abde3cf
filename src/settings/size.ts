const BYTES_OF: Readonly<Record<string, number>> = { '': 1, K: 1_024, M: 1_024 ** 2, G: 1_024 ** 3 };

/**
 * Bytes that `text` stands for: a whole number, then nothing, `B`, `KB`, `MB` or `GB` in any case
 * (the B may be left out, a blank may stand between). 1 KB is 1,024 bytes, as in PostgreSQL.
 * Undefined for every other text and beyond 2^53 - 1 bytes.
 */
export function parseSize(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,16}) ?([KMG]?)B?$/i.exec(text.trim()) ?? [];
  const bytes = Number(digits) * (BYTES_OF[unit.toUpperCase()] ?? NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
