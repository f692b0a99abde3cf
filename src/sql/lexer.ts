/** A word, quoted name, literal or single character of an operator of SQL text. */
export interface Token {
  /** `name`: a quoted identifier, whose text is not needed. `value`: a string, number or parameter. */
  readonly kind: 'word' | 'name' | 'value' | 'sign';
  /** A word in lower case, a sign as it stands; empty for the others. */
  readonly text: string;
}

/** One pattern per kind; sticky, and each such that what it has matched is never given back but to fail. */
const BLANK = /(?:[ \t\n\r\f\v]+|--[^\n\r]*)+/y;
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER = /(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[Ee][+-]?\d+)?/y;
const PARAMETER = /\$\d+/y;
const STRING = /'[^']*(?:''[^']*)*'/y;
const ESCAPE_STRING = /'[^'\\]*(?:(?:''|\\[^])[^'\\]*)*'/y;
const QUOTED_NAME = /"[^"]*(?:""[^"]*)*"/y;
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;
const SIGNS = '-+*/<>=~!@#%^&|`?:,()[].;';

/** What must not follow a number or a parameter: servers differ in where it ends. */
const WORD_CHARACTER = /[\w$\u0080-\uffff.]/y;

/** Letters that stand right before a quote and say what follows. */
const STRING_PREFIXES = new Set(['b', 'x', 'n', 'e']);

/**
 * The tokens of `sql`, read as PostgreSQL reads them (documentation, section 4.1) with
 * standard_conforming_strings on; undefined where it would read an error, or where versions differ
 * (a number that runs into a word, a string continued on another line). Linear time, no I/O.
 */
export function tokensOf(sql: string): Token[] | undefined {
  const lexer = new Lexer(sql);
  return lexer.readAll() ? lexer.tokens : undefined;
}

class Lexer {
  readonly tokens: Token[] = [];
  readonly #sql: string;
  #at = 0;

  constructor(sql: string) {
    this.#sql = sql;
  }

  /** Whether all of the text could be read. */
  readAll(): boolean {
    for (this.#skip(BLANK); this.#at < this.#sql.length; this.#skip(BLANK)) {
      if (!this.#next()) return false;
    }
    return true;
  }

  #next(): boolean {
    const character = this.#sql[this.#at] ?? '';
    switch (character) {
      case "'":
        return this.#string(STRING);
      case '"':
        return this.#quotedName();
      case '$':
        return this.#skip(PARAMETER) ? this.#unit() : this.#dollarQuoted();
      case '/':
        return this.#sql[this.#at + 1] === '*' ? this.#comment() : this.#sign(character);
      default:
        if (this.#stands(WORD)) return this.#word();
        return this.#skip(NUMBER) ? this.#unit() : this.#sign(character);
    }
  }

  #stands(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    return pattern.test(this.#sql);
  }

  #skip(pattern: RegExp): boolean {
    if (!this.#stands(pattern)) return false;
    this.#at = pattern.lastIndex;
    return true;
  }

  #push(kind: Token['kind'], text = ''): true {
    this.tokens.push({ kind, text });
    return true;
  }

  // Two in a row are one, continued on another line; its second part is read by the rules of the first.
  #string(pattern: RegExp): boolean {
    return (
      this.#skip(pattern) && this.tokens.at(-1)?.text !== STRING_MARK && this.#push('value', STRING_MARK)
    );
  }

  #dollarQuoted(): boolean {
    const start = this.#at;
    if (!this.#skip(DOLLAR_TAG)) return false;
    const tag = this.#sql.slice(start, this.#at);
    const end = this.#sql.indexOf(tag, this.#at);
    this.#at = end + tag.length;
    return end >= 0 && this.#push('value');
  }

  #unit(): boolean {
    return !this.#stands(WORD_CHARACTER) && this.#push('value');
  }

  #quotedName(): boolean {
    return this.#skip(QUOTED_NAME) && this.#push('name');
  }

  #word(): boolean {
    const start = this.#at;
    this.#at = WORD.lastIndex;
    const text = lowered(this.#sql.slice(start, this.#at));
    const follows = this.#sql[this.#at];
    if (follows === "'" && STRING_PREFIXES.has(text)) {
      return this.#string(text === 'e' ? ESCAPE_STRING : STRING);
    }
    if (text === 'u' && follows === '&') {
      const opener = this.#sql[this.#at + 1];
      if (opener === "'" || opener === '"') {
        this.#at += 1;
        return opener === "'" ? this.#string(STRING) : this.#quotedName();
      }
    }
    return this.#push('word', text);
  }

  #comment(): boolean {
    const end = endOfComment(this.#sql, this.#at);
    this.#at = end ?? this.#at;
    return end !== undefined;
  }

  #sign(character: string): boolean {
    this.#at += 1;
    return SIGNS.includes(character) && this.#push('sign', character);
  }
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
  return /[A-Z]/.test(word) ? word.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : word;
}
