/** What text a PostgreSQL server takes as it is: everything else would arrive changed, cut, or split in two. */

/** Words for text that is not {@link isSendable}, behind its name. */
export const UNSENDABLE = 'holds U+0000 or half of a surrogate pair';

/** PostgreSQL cuts longer names without a sign (documentation, section 4.1.1). */
export const LONGEST_NAME_BYTES = 63;

/** Whether `text` has neither U+0000, which ends a field of the protocol, nor half of a surrogate pair, which UTF-8 lacks. */
export function isSendable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

/** Offset of what makes `text` not {@link isSendable}, or -1. */
export function firstUnsendable(text: string): number {
  return text.search(/[\0\p{Surrogate}]/u);
}
