import { unreadable } from './store-errors.js';
import { decodeBase64, decodeText } from './text.js';

/** One encapsulated text (RFC 7468 section 2), with the headers older software puts into it (RFC 1421). */
export interface PemBlock {
  /** The words behind BEGIN. */
  readonly label: string;
  /** The DER bytes, or the ciphertext where `DEK-Info` stands among the headers. */
  readonly bytes: Buffer;
  readonly headers: ReadonlyMap<string, string>;
}

const BEGIN = '-----BEGIN ';
const DASHES = '-----';

/**
 * The blocks of a PEM file in their order. Line ends, indentation, a byte order mark, text around
 * the blocks and line breaks written as `\n` (as environment variables carry them) do not matter.
 *
 * @throws ConnectorError CERTIFICATE_UNREADABLE for a block without end and for a body that is not base64
 */
export function pemBlocks(contents: Buffer): PemBlock[] {
  const text = decodeText(contents).replace(/\\r\\n|\\n/g, '\n');
  const blocks: PemBlock[] = [];
  let position = text.indexOf(BEGIN);
  while (position >= 0) {
    const { block, end } = blockAt(text, position);
    blocks.push(block);
    position = text.indexOf(BEGIN, end);
  }
  return blocks;
}

function blockAt(text: string, start: number): { block: PemBlock; end: number } {
  const labelEnd = text.indexOf(DASHES, start + BEGIN.length);
  const label = text.slice(start + BEGIN.length, labelEnd);
  if (labelEnd < 0 || !/^[A-Z0-9#. ]{1,40}$/.test(label))
    throw unreadable('a BEGIN line of the PEM text is damaged');
  const bodyStart = labelEnd + DASHES.length;
  const endLine = `-----END ${label}-----`;
  const bodyEnd = text.indexOf(endLine, bodyStart);
  if (bodyEnd < 0) throw unreadable(`the PEM text ends inside of a ${label} block`);
  return { block: parseBody(label, text.slice(bodyStart, bodyEnd)), end: bodyEnd + endLine.length };
}

function parseBody(label: string, body: string): PemBlock {
  const headers = new Map<string, string>();
  const rest: string[] = [];
  for (const line of body.split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) rest.push(line);
    else headers.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  const bytes = decodeBase64(rest.join(''));
  if (!bytes) throw unreadable(`a ${label} block of the PEM text is not base64`);
  return { label, bytes, headers };
}

/** `block` in the one form that every reader of PEM takes. */
export function formatPemBlock({ label, bytes, headers }: PemBlock): string {
  const head = [...headers].map(([name, value]) => `${name}: ${value}\n`).join('');
  const body = bytes.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN ${label}-----\n${head}${headers.size > 0 ? '\n' : ''}${body}\n-----END ${label}-----\n`;
}
