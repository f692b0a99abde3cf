import { HARMLESS_FUNCTIONS } from './harmless-functions.js';
import { tokensOf, type Token } from './lexer.js';

/** Longer statements are not looked at. */
const LONGEST = 20_000;

const READS = new Set(['select', 'values', 'table', 'with', 'show']);

/** Words that change data or lock rows, wherever they stand in a query. */
const CHANGES = new Set(['into', 'insert', 'update', 'delete', 'merge', 'share']);

/**
 * Words that stand before a parenthesis and are no call: reserved ones, and those that the grammar
 * itself treats as a function of SQL (documentation, appendix C).
 */
const GRAMMAR = new Set(
  (
    'all and any array as between both case cast coalesce distinct else except exists extract from ' +
    'greatest group grouping having in intersect lateral least limit not nullif offset on only or ' +
    'overlay position row select some substring then to trim union using values when where with'
  ).split(' '),
);

/** Words that are no call only behind these; a function may have the name of the second. */
const PAIRS = new Set(['order by', 'group by', 'partition by', 'grouping sets']);

/** Words with a parenthesis of their own behind that of a call. */
const BEHIND_CALL = new Set(['over', 'filter']);

/**
 * Whether `sql` surely leaves nothing in its session, as far as its words tell: one query (SELECT,
 * VALUES, TABLE, WITH, SHOW) that locks no rows, writes nothing and calls no function but built-in
 * ones known to be harmless. Whatever is not known is false, which costs one round trip or a session
 * of one's own. Not seen is what the database itself hides behind a name: a view, an operator, a
 * type, a policy, a function of its own that overloads a built-in name, or one that is written like a
 * column (`t.f` for `f(t)`). Linear time, no I/O.
 */
export function leavesNoTrace(sql: string): boolean {
  const tokens = sql.length <= LONGEST ? tokensOf(sql) : undefined;
  if (!tokens) return false;
  while (isSign(tokens.at(-1), ';')) tokens.pop();
  const first = tokens.find((token) => !isSign(token, '('));
  return first?.kind === 'word' && READS.has(first.text) && tokens.every(isPlain) && callsAreHarmless(tokens);
}

// A field of anything but a name, as in (x).f, may be a call of the function f.
function isPlain(token: Token, index: number, tokens: readonly Token[]): boolean {
  if (token.kind === 'word') return !CHANGES.has(token.text);
  if (token.kind !== 'sign') return true;
  if (token.text === ';') return false;
  const before = tokens[index - 1];
  return token.text !== '.' || before?.kind === 'word' || before?.kind === 'name';
}

function callsAreHarmless(tokens: readonly Token[]): boolean {
  /** For each open parenthesis whether a call opened it. */
  const open: boolean[] = [];
  let lastClosedIsCall = false;
  for (const [index, token] of tokens.entries()) {
    if (isSign(token, ')')) {
      const closed = open.pop();
      if (closed === undefined) return false;
      lastClosedIsCall = closed;
    }
    if (!isSign(token, '(')) continue;
    const meaning = parenthesisAt(tokens, index, lastClosedIsCall);
    if (meaning === 'unknown') return false;
    open.push(meaning === 'call');
  }
  return open.length === 0;
}

/** What the parenthesis at `index` opens, judged by what stands before it. */
function parenthesisAt(
  tokens: readonly Token[],
  index: number,
  lastClosedIsCall: boolean,
): 'call' | 'group' | 'unknown' {
  const name = tokens[index - 1];
  if (name === undefined || name.kind === 'sign') return 'group';
  const before = tokens[index - 2];
  // A type or an alias: `cast(x as varchar(10))`, `from f() as t(a)`.
  if (isWord(before, 'as') || (isSign(before, ':') && isSign(tokens[index - 3], ':'))) return 'group';
  if (name.kind !== 'word') return 'unknown';
  if (isSign(before, '.')) return isOfCatalog(tokens, index - 3) ? callOf(name) : 'unknown';
  if (GRAMMAR.has(name.text) || PAIRS.has(`${before?.text ?? ''} ${name.text}`)) return 'group';
  // A call would take a query in a parenthesis of its own.
  if (name.text === 'join' && isWord(tokens[index + 1], 'select')) return 'group';
  if (BEHIND_CALL.has(name.text)) return isSign(before, ')') && lastClosedIsCall ? 'call' : 'unknown';
  return callOf(name);
}

function callOf({ text }: Token): 'call' | 'unknown' {
  return HARMLESS_FUNCTIONS.has(text) ? 'call' : 'unknown';
}

function isOfCatalog(tokens: readonly Token[], index: number): boolean {
  return isWord(tokens[index], 'pg_catalog') && !isSign(tokens[index - 1], '.');
}

function isSign(token: Token | undefined, text: string): boolean {
  return token?.kind === 'sign' && token.text === text;
}

function isWord(token: Token | undefined, text: string): boolean {
  return token?.kind === 'word' && token.text === text;
}
