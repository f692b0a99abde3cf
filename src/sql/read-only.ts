import { tokensOf } from './lexer.js';

/** Longer statements are not looked at. */
const LONGEST = 1_000_000;

const READS = new Set(['select', 'values', 'table', 'show', 'with', 'explain']);
const WRITES = new Set(
  'insert update delete merge truncate into call copy analyze analyse execute'.split(' '),
);

/**
 * Whether `sql` surely changes nothing, as far as its words tell: it begins like a query and holds
 * no word of a change. A function that writes is not seen; `leavesNoTrace` tells more. It
 * decides with that one what a lost answer means, so a wrong "no" costs a word of caution and nothing else. Linear time, no I/O.
 */
export function readsOnly(sql: string): boolean {
  const words = wordsOf(sql);
  return READS.has(words[0] ?? '') && !words.some((word) => WRITES.has(word));
}

const WHOLE = new Set('select with insert update delete merge truncate create alter drop'.split(' '));

/**
 * Whether `sql` surely happens as a whole or not at all, as far as its words tell: a procedure and a
 * block of code may commit on their way.
 */
export function isAtomic(sql: string): boolean {
  return WHOLE.has(wordsOf(sql)[0] ?? '');
}

/** The words outside of literals, names and comments, the first of them only behind parentheses; none where that is not sure. */
function wordsOf(sql: string): string[] {
  const tokens = sql.length <= LONGEST ? (tokensOf(sql) ?? []) : [];
  const first = tokens.find(({ text }) => text !== '(');
  return first?.kind === 'word' ? tokens.filter(({ kind }) => kind === 'word').map(({ text }) => text) : [];
}
