const COMMENTS = /\/\*[^]*?\*\/|--[^\n]*/g;
const READS = /^\s*\(*\s*(select|values|table|show|with|explain)\b/i;
const WRITES = /\b(insert|update|delete|merge|truncate|into|call|copy|analyze)\b/i;

/**
 * Whether `sql` surely changes nothing, as far as its words tell: it begins like a query and holds
 * no word of a change, not even in a string. A function that writes is not seen. It decides what a
 * lost answer means, so a wrong "no" costs a word of caution and nothing else.
 */
export function readsOnly(sql: string): boolean {
  const bare = sql.replace(COMMENTS, ' ');
  return READS.test(bare) && !WRITES.test(bare);
}

const WHOLE = /^\s*\(*\s*(select|with|insert|update|delete|merge|truncate|create|alter|drop)\b/i;

/**
 * Whether `sql` surely happens as a whole or not at all, as far as its words tell: a procedure and a
 * block of code may commit on their way.
 */
export function isAtomic(sql: string): boolean {
  const bare = sql.replace(COMMENTS, ' ');
  return WHOLE.test(bare) && !bare.includes('*/');
}
