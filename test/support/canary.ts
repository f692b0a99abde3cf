import { expect } from 'chai';

/** Shorter secrets are found by chance. */
const SHORTEST_SECRET = 8;

/** Length of the pieces that a secret is also searched by: a part of a token is a leak as well. */
const PIECE = 16;

/**
 * How `secret`, or a part of it of 31 characters or more, looks in an output: plain, base64, base64url
 * (also within a longer encoded text), hexadecimal, URL-encoded, JSON-escaped.
 */
export function canaryForms(secret: string): string[] {
  expect(secret.length, 'length of a secret').to.be.at.least(SHORTEST_SECRET);
  return [...new Set([secret, ...piecesOf(secret)].flatMap(encodings))];
}

/** Fails when an output holds a form of a secret; says which output and which encoding. */
export function expectNoCanary(outputs: Iterable<string>, secrets: Iterable<string>): void {
  const texts = [...outputs];
  const forms = [...secrets].flatMap(canaryForms);
  expect(texts, 'outputs to search').not.to.be.empty;
  expect(forms, 'forms to search for').not.to.be.empty;
  for (const text of texts) {
    const found = forms.find((form) => text.includes(form));
    if (found === undefined) continue;
    const at = text.indexOf(found);
    const around = text.slice(Math.max(0, at - 60), at + found.length + 20);
    throw new Error(`an output holds a secret as ${JSON.stringify(found)}: …${around}…`);
  }
}

function piecesOf(secret: string): string[] {
  if (secret.length < 2 * PIECE) return [];
  return Array.from({ length: Math.floor(secret.length / PIECE) }, (_, index) =>
    secret.slice(index * PIECE, (index + 1) * PIECE),
  );
}

function encodings(text: string): string[] {
  const bytes = Buffer.from(text);
  const hex = bytes.toString('hex');
  const url = encodeURIComponent(text);
  const form = new URLSearchParams([['', text]]).toString().slice(1);
  const json = JSON.stringify(text).slice(1, -1);
  const base64 = [0, 1, 2].map((offset) => base64Core(bytes, offset));
  return [
    text,
    ...base64,
    ...base64.map((core) => core.replaceAll('+', '-').replaceAll('/', '_')),
    hex,
    hex.toUpperCase(),
    ...[url, form].flatMap((each) => [each, each.replace(/%../g, (escape) => escape.toLowerCase())]),
    json,
  ];
}

/** What is the same in every base64 text that holds `bytes` at an offset of `offset` modulo 3. */
function base64Core(bytes: Buffer, offset: number): string {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString('base64')
    .replace(/=+$/, '');
  const start = Math.ceil((offset * 8) / 6);
  const end = Math.floor(((offset + bytes.length) * 8) / 6);
  return encoded.slice(start, end);
}
