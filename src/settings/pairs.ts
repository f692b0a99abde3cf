import { ConnectorError } from '../errors.js';
import { findProperty } from './properties.js';

/**
 * A name as written, and its value; undefined where `Name=` leaves the property unset. `separator`
 * says that the value ended where the next one of these was, which may have been meant as a part of it.
 */
export type Pair = readonly [name: string, value: string | undefined, ending?: 'separator'];

/** More pairs than there are properties are no connection any more. */
export const MOST_PAIRS = 1_000;

const EQUALS = 0x3d;
const SEMICOLON = 0x3b;
const CLOSING: Readonly<Record<string, string>> = { '"': '"', "'": "'", '{': '}' };

/**
 * The `Name=Value` pairs of `text` from the offset `start` on, by the rules of ADO.NET.
 *
 * @throws ConnectorError CONNECTION_STRING_MALFORMED with the offset, never with a value
 */
export function pairsOf(text: string, start: number): Pair[] {
  const keywords = secondKeyword(text, start);
  if (keywords >= 0) throw malformed('its pairs are separated by blanks, not by semicolons,', keywords);
  const pairs: Pair[] = [];
  let at = start;
  while (at < text.length) {
    if (text.charCodeAt(at) === SEMICOLON || isBlank(text, at)) {
      at += 1;
      continue;
    }
    if (pairs.length === MOST_PAIRS) throw malformed('it has more than 1,000 pairs', at);
    const name = readName(text, at);
    const value = readValue(text, name.end);
    pairs.push(value.isQuoted ? [name.text, value.text] : [name.text, value.text, 'separator']);
    at = value.end;
  }
  return pairs;
}

/** `value` as it stands behind `Name=`, in quotes where it needs them. */
export function quoted(value: string): string {
  const plain = value !== '' && !/[;="'{}]|^[ \t\r\n]|[ \t\r\n]$/.test(value);
  return plain ? value : `"${value.replaceAll('"', '""')}"`;
}

export function malformed(problem: string, offset: number): ConnectorError {
  return new ConnectorError('CONNECTION_STRING_MALFORMED', { problem, offset });
}

const KEYWORDS = /\s*([^\s=;]+)\s*=\s*(?:'[^']*'|[^\s'"{]\S*)\s+([\w-]+)\s*=/y;

/**
 * Offset of the second pair of `host=db dbname=app`, as libpq and one pair a line would have it:
 * read by the rules, the whole rest would be the value of the first. -1 for all other text.
 */
function secondKeyword(text: string, start: number): number {
  if (text.includes(';', start)) return -1;
  KEYWORDS.lastIndex = start;
  const [, first = '', second = ''] = KEYWORDS.exec(text) ?? [];
  const isMeant = findProperty(first) !== undefined && findProperty(second) !== undefined;
  return isMeant ? text.lastIndexOf(second, KEYWORDS.lastIndex) : -1;
}

function readName(text: string, start: number): { text: string; end: number } {
  let at = start;
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === SEMICOLON || (code === EQUALS && text.charCodeAt(at + 1) !== EQUALS)) break;
    if (code === EQUALS) at += 1;
  }
  if (text[at] !== '=') throw malformed('a name has no = behind it', start);
  const name = text.slice(start, at).replaceAll('==', '=').trim();
  if (name === '') throw malformed('a name is missing before =', at);
  return { text: name, end: at + 1 };
}

interface Value {
  readonly text: string | undefined;
  readonly end: number;
  readonly isQuoted: boolean;
}

function readValue(text: string, start: number): Value {
  let at = start;
  while (isBlank(text, at)) at += 1;
  const closing = CLOSING[text.charAt(at)];
  if (closing !== undefined) return readQuoted(text, at, closing);
  const semicolon = text.indexOf(';', at);
  const end = semicolon < 0 ? text.length : semicolon;
  const value = trimBlanks(text.slice(at, end));
  const [, name = ''] = NEXT_LINE.exec(value) ?? [];
  if (findProperty(name) !== undefined) {
    const problem = `a semicolon is missing before the line that begins with ${name}=,`;
    throw malformed(problem, at + value.search(NEXT_LINE));
  }
  return { text: value === '' ? undefined : value, end, isQuoted: false };
}

// One pair a line, and the end of a line was forgotten: the next pair would become a part of this value.
const NEXT_LINE = /[\r\n]\s*([A-Za-z][\w -]{1,40}?)\s*=/;

function readQuoted(text: string, start: number, closing: string): Value {
  const parts: string[] = [];
  let from = start + 1;
  for (;;) {
    const close = text.indexOf(closing, from);
    if (close < 0) throw malformed(`the ${text.charAt(start)} is never closed`, start);
    parts.push(text.slice(from, close));
    from = close + 1;
    if (text[from] !== closing) break;
    parts.push(closing);
    from += 1;
  }
  while (isBlank(text, from)) from += 1;
  if (from < text.length && text[from] !== ';')
    throw malformed('something stands behind a quoted value', from);
  return { text: parts.join(''), end: from, isQuoted: true };
}

// By its code: a string for each of a million characters would take its time.
function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
}

/** `text` without the blanks, tabs and line ends around it, and no other characters. */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (isBlank(text, start)) start += 1;
  while (end > start && isBlank(text, end - 1)) end -= 1;
  return text.slice(start, end);
}
