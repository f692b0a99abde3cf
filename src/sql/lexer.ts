/** A word, quoted name, literal or single character of an operator of SQL text. */
export interface Token {
  /** `name`: a quoted identifier, whose text is not needed. `value`: a string, number or parameter. */
  readonly kind: 'word' | 'name' | 'value' | 'sign';
  /** A word in lower case, a sign as it stands; empty for the others. */
  readonly text: string;
}

/** One pattern per kind; sticky, without nested repetition, so that each character is looked at once. */
const BLANK = /[ \t\n\r\f\v]+/y;
const LINE_COMMENT = /--[^\n\r]*/y;
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER = /(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[Ee][+-]?\d+)?/y;
const PARAMETER = /\$\d+/y;
const STRING = /'[^']*(?:''[^']*)*'/y;
const ESCAPE_STRING = /'[^'\\]*(?:(?:''|\\[^])[^'\\]*)*'/y;
const QUOTED_NAME = /"[^"]*(?:""[^"]*)*"/y;
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;
const SIGN = /[-+*/<>=~!@#%^&|`?:,()[\].;]/y;

/** What begins at the end of a number or parameter and does not belong to it. */
const WORD_CHARACTER = /[\w$\u0080-\uffff.]/y;

/** Letters that stand right before a quote and say what follows. */
const STRING_PREFIXES = new Set(['b', 'x', 'n', 'e']);

/**
 * The tokens of `sql`, read as PostgreSQL reads them (documentation, section 4.1) with
 * standard_conforming_strings on; undefined where it would read an error, or where versions differ
 * (a number that runs into a word, a string continued on another line). Linear time, no I/O.
 */
export function tokensOf(sql: string): Token[] | undefined {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(sql)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const standsHere = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    return pattern.test(sql);
  };

  const skipComment = (): boolean => {
    const end = endOfComment(sql, at);
    if (end !== undefined) at = end;
    return end !== undefined;
  };

  const value = (pattern: RegExp): boolean => {
    if (match(pattern) === undefined || tokens.at(-1)?.text === STRING_MARK) return false;
    tokens.push({ kind: 'value', text: STRING_MARK });
    return true;
  };

  const dollarQuoted = (): boolean => {
    const tag = match(DOLLAR_TAG);
    if (tag === undefined) return false;
    const end = sql.indexOf(tag, at);
    if (end < 0) return false;
    at = end + tag.length;
    tokens.push({ kind: 'value', text: '' });
    return true;
  };

  const unit = (pattern: RegExp): boolean => {
    if (match(pattern) === undefined || standsHere(WORD_CHARACTER)) return false;
    tokens.push({ kind: 'value', text: '' });
    return true;
  };

  const quotedName = (): boolean => {
    if (match(QUOTED_NAME) === undefined) return false;
    tokens.push({ kind: 'name', text: '' });
    return true;
  };

  const word = (): boolean => {
    const found = match(WORD) ?? '';
    const text = lowered(found);
    if (sql[at] === "'" && STRING_PREFIXES.has(text)) return value(text === 'e' ? ESCAPE_STRING : STRING);
    if (text === 'u' && sql[at] === '&') return unicode();
    tokens.push({ kind: 'word', text });
    return found !== '';
  };

  // U&'…' and U&"…"; a lone U& is a name and an operator.
  const unicode = (): boolean => {
    const opener = sql[at + 1];
    if (opener !== "'" && opener !== '"') {
      tokens.push({ kind: 'word', text: 'u' });
      return true;
    }
    at += 1;
    return opener === "'" ? value(STRING) : quotedName();
  };

  const sign = (): boolean => {
    const text = match(SIGN);
    if (text !== undefined) tokens.push({ kind: 'sign', text });
    return text !== undefined;
  };

  const next = (): boolean => {
    if (standsHere(WORD)) return word();
    if (sql[at] === "'") return value(STRING);
    if (sql[at] === '"') return quotedName();
    if (sql[at] === '$') return standsHere(PARAMETER) ? unit(PARAMETER) : dollarQuoted();
    if (standsHere(NUMBER)) return unit(NUMBER);
    return sign();
  };

  while (at < sql.length) {
    if (match(BLANK) !== undefined || match(LINE_COMMENT) !== undefined) continue;
    if (!(sql.startsWith('/*', at) ? skipComment() : next())) return undefined;
  }
  return tokens;
}

/** Marks a quoted string, so that a second one right behind it is told from a separate one. */
const STRING_MARK = "'";

// Comments nest. Undefined: it has no end.
function endOfComment(sql: string, start: number): number | undefined {
  const edge = /\/\*|\*\//g;
  edge.lastIndex = start;
  let depth = 0;
  for (let found = edge.exec(sql); found; found = edge.exec(sql)) {
    depth += found[0] === '/*' ? 1 : -1;
    if (depth === 0) return edge.lastIndex;
  }
  return undefined;
}

// As the server does it: only ASCII letters. JavaScript would also turn the Kelvin sign into a k.
function lowered(word: string): string {
  return word.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
