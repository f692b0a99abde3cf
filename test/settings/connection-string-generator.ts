import { FOREIGN_NAMES } from '#src/settings/foreign-names.js';
import { PROPERTIES, type Property } from '#src/settings/properties.js';

/** Stands in values only, and looks like no name: no error may show it. */
export const CANARY = 'cAnArY~9';

/** Numbers from 0 up to `below`, the same for the same seed. */
export type Chance = (below: number) => number;

/** Chance by xorshift32, fast enough for millions of texts. */
export function chanceOf(seed: number): Chance {
  let state = Math.imul(seed + 1, 0x9e37_79b1) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const TABLE: readonly Property[] = PROPERTIES;
const NAMES = [
  ...TABLE.flatMap(({ name, title, aliases = [] }) => [name, title, ...aliases]),
  ...Object.keys(FOREIGN_NAMES),
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'Sevrer', 'x', '', ' ', 'a==b'],
];
const CHOICES = TABLE.flatMap(({ choices = [], refused = {} }) => [...choices, ...Object.keys(refused)]);
// Those that the grammar, the readers of values, or those who print them care about.
const CHARACTERS = [
  ...'=;"\'{}@:/?#[]&%+ \t\r\n\\,.*~$-_0a1Zé'.split(''),
  ...['\0', '\u00a0', '\ufeff', '\u2028', '\u202e', '\u001b', '\ud800', '\udc00', '😀', '日', '\u212a', 'ﬀ'],
];
const VALUES = [
  ...[
    '',
    'db.contoso.example',
    '127.0.0.1',
    '::1',
    '[::1]',
    '/tmp/s',
    'h,h',
    '5432',
    '0',
    '-1',
    '1e3',
    '99999999999999999',
  ],
  ...['true', 'No', 'contoso.onmicrosoft.com', '11111111-2222-3333-4444-555555555555', 'https://x/.default'],
  ...[
    'https://login.example',
    'memory://x',
    '@file:/f',
    '@env:X',
    '@env:NONE',
    '@@x',
    '-----BEGIN CERTIFICATE-----',
    'CN=a, O="b;c"',
  ],
  ...['2027-03-31', '%41', '%00', '%zz', '%FF', '${x}', '{{x}}', CANARY],
];
// Pieces of what people paste, so that whole connections come about, too.
const SKELETONS = [
  'Server=db;User=u;AzureTenant=c.example;OAuthClientId=i;OAuthClientSecret=s;',
  'Server=db;User=u;AzureTenant=c.example;OAuthClientId=i;OAuthJWTCert=/x;OAuthJWTCertType=PFXFILE;',
  'Server=db;User=u;Password=p;',
  'AuthScheme=AzureMSI;Server=db;User=u;',
  'AuthScheme=OAuthClient;OAuthIssuer=https://x;OAuthClientId=i;OAuthClientSecret=s;Server=db;User=u;',
  'AuthScheme=OAuthToken;OAuthAccessToken=t;Server=db;User=u;',
];

/** One text that is a connection string, nearly one, or noise. */
export function connectionString(chance: Chance): string {
  const shape = chance(100);
  if (shape < 35) return pairs(chance);
  if (shape < 60) return SKELETONS[chance(SKELETONS.length)]! + pairs(chance);
  if (shape < 80) return uri(chance);
  if (shape < 95) return mutated(chance(2) === 0 ? pairs(chance) : uri(chance), chance);
  return noise(chance, 1 + chance(40));
}

/** A text of nearly 1 MiB: one piece again and again, perhaps behind the start of a connection. */
export function longConnectionString(chance: Chance): string {
  const starts = [
    '',
    'User=',
    'User="',
    'User={',
    'postgresql://',
    'postgresql://h/',
    'postgresql://h?',
    'jdbc:postgresql:',
    'Server=',
  ];
  const piece = chance(2) === 0 ? noise(chance, 1 + chance(3)) : pairs(chance);
  const text =
    starts[chance(starts.length)]! +
    (piece === '' ? ' ' : piece).repeat(1_048_576 / Math.max(piece.length, 1));
  return text.slice(0, 1_048_576);
}

function pairs(chance: Chance): string {
  let text =
    chance(20) === 0 ? pick(chance, ['jdbc:postgresql:', 'jdbc:cdata:postgresql:', '\ufeff', ' ']) : '';
  const separator = chance(20) === 0 ? ' ' : ';';
  for (let count = chance(6); count > 0; count -= 1)
    text += `${name(chance)}${blanks(chance)}=${blanks(chance)}${quoted(value(chance), chance)}${separator}`;
  return text;
}

function uri(chance: Chance): string {
  const part = (): string =>
    chance(3) === 0 ? value(chance) : encodeURIComponent(value(chance).toWellFormed());
  let text = pick(chance, ['postgresql://', 'postgres://', 'jdbc:postgresql://', 'POSTGRES://']);
  if (chance(2) === 0) text += `${part()}${chance(2) === 0 ? `:${part()}` : ''}@`;
  if (chance(4) > 0) text += chance(3) === 0 ? part() : 'db.example';
  if (chance(3) === 0) text += `:${chance(4) === 0 ? value(chance) : '5432'}`;
  if (chance(2) === 0) text += `/${part()}`;
  for (let count = chance(4); count > 0; count -= 1)
    text += `${text.includes('?') ? '&' : '?'}${encodeURIComponent(name(chance).toWellFormed())}=${part()}`;
  return text;
}

function name(chance: Chance): string {
  const known = pick(chance, NAMES);
  const way = chance(12);
  if (way === 0) return known.toUpperCase();
  if (way === 1) return mutated(known, chance);
  return way === 2 ? known.split('').join(pick(chance, ['', ' ', '_', '-'])) : known;
}

function value(chance: Chance): string {
  const way = chance(8);
  if (way < 3) return pick(chance, VALUES);
  if (way < 5) return pick(chance, CHOICES);
  if (way === 5) return CANARY + noise(chance, chance(4));
  return way === 6 ? String(chance(100_000)) : noise(chance, chance(8));
}

function quoted(text: string, chance: Chance): string {
  switch (chance(8)) {
    case 0:
      return `"${text.replaceAll('"', '""')}"`;
    case 1:
      return `'${text.replaceAll("'", "''")}'`;
    case 2:
      return `{${text.replaceAll('}', '}}')}}`;
    case 3:
      return `"${text}`;
    default:
      return text;
  }
}

function blanks(chance: Chance): string {
  return chance(6) === 0 ? ' ' : '';
}

function noise(chance: Chance, length: number): string {
  let text = '';
  for (let count = length; count > 0; count -= 1) text += pick(chance, CHARACTERS);
  return text;
}

function mutated(text: string, chance: Chance): string {
  let changed = text;
  for (let count = 1 + chance(3); count > 0; count -= 1) {
    const at = chance(changed.length + 1);
    const [keep, put] = [
      [1, ''],
      [0, pick(chance, CHARACTERS)],
      [1, pick(chance, CHARACTERS)],
    ][chance(3)] as [number, string];
    changed = changed.slice(0, at) + put + changed.slice(at + keep);
  }
  return changed;
}

function pick<T>(chance: Chance, from: readonly T[]): T {
  return from[chance(from.length)]!;
}
