import type { X509Certificate } from 'node:crypto';

/** The parts of a distinguished name, each as `TYPE=value` in a form that can be compared. */
type NameParts = ReadonlySet<string>;

/** The subject of `certificate` in one line, `CN=…, O=…`, in the order of the certificate. */
export function subjectText({ subject }: X509Certificate): string {
  return subject.split('\n').join(', ');
}

/** How well a certificate answers to what is asked for; the smaller the better. */
export const MATCH = { exact: 0, parts: 1, substring: 2 } as const;

type Match = (typeof MATCH)[keyof typeof MATCH];

/**
 * How the subject of `certificate` matches `wanted`: it is the same name, it holds all parts of it,
 * or its text holds it. Neither the order of parts nor case matters; S means ST, and E or Email
 * means emailAddress. A part whose value holds a comma is quoted (`"O=ACME, Inc."`, `O="ACME, Inc."`)
 * or has it escaped (`O=ACME\, Inc.`).
 */
export function matchSubject(certificate: X509Certificate, wanted: string): Match | undefined {
  if (wanted.length > MAX_WANTED_CHARACTERS) return undefined;
  const parts = partsOfCertificate(certificate);
  const wantedParts = partsOfText(wanted);
  if (wantedParts && [...wantedParts].every((part) => parts.has(part))) {
    return wantedParts.size === parts.size ? MATCH.exact : MATCH.parts;
  }
  return textsOf(parts).some((text) => text.includes(comparable(wanted))) ? MATCH.substring : undefined;
}

// No name is that long, and reading it would take its time.
const MAX_WANTED_CHARACTERS = 4_000;

// CData writes names from the leaf of the tree, most certificates from its root.
function textsOf(parts: NameParts): string[] {
  const forward = [...parts];
  return [forward.join(','), forward.reverse().join(',')];
}

function partsOfCertificate(certificate: X509Certificate): NameParts {
  const subject: Readonly<Record<string, string | readonly string[] | undefined>> = {
    ...(certificate.toLegacyObject().subject as object),
  };
  return new Set(
    Object.entries(subject).flatMap(([type, values]) =>
      [values ?? []].flat().map((value) => partOf(type, value)),
    ),
  );
}

// Undefined where `text` is not written as a name at all.
function partsOfText(text: string): NameParts | undefined {
  const parts = new Set<string>();
  for (const part of splitAtCommas(text)) {
    const equals = part.indexOf('=');
    if (equals <= 0) return undefined;
    parts.add(partOf(part.slice(0, equals), part.slice(equals + 1)));
  }
  return parts;
}

// Quotes and escaping backslashes are taken away, and protect a comma from being a separator.
function splitAtCommas(text: string): string[] {
  const parts = [''];
  let quoted = false;
  for (const [, escaped, char = ''] of text.matchAll(/\\([^0-9A-Fa-f])|(.)/gsu)) {
    if (char === '"') quoted = !quoted;
    else if (char === ',' && !quoted) parts.push('');
    else parts.push(`${parts.pop() ?? ''}${escaped ?? char}`);
  }
  return parts;
}

const SAME_TYPES: Readonly<Record<string, string | undefined>> = {
  s: 'st',
  e: 'emailaddress',
  email: 'emailaddress',
};

function partOf(type: string, value: string): string {
  const name = comparable(type);
  return `${SAME_TYPES[name] ?? name}=${comparable(value)}`;
}

// As caseIgnoreMatch of RFC 4517 section 4.2.11: case and extra space make no difference.
function comparable(text: string): string {
  return text
    .normalize('NFC')
    .toLowerCase()
    .trim()
    .replace(/\s+/g, ' ')
    .replace(/ ?([,=]) ?/g, '$1');
}
