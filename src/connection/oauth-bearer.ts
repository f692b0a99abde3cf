import { isBearerToken } from '../auth/access-token.js';
import { ConnectorError, printable } from '../errors.js';
import type { Secret } from '../settings/secret.js';

/** SASL mechanism of RFC 7628, in PostgreSQL 18 and newer (documentation, section 54.3.2). */
export const OAUTHBEARER = 'OAUTHBEARER';

/** Separates and ends the fields of the client's messages (RFC 7628, section 3.1). */
const KVSEP = '\x01';

function passwordMessage(body: Buffer): Buffer {
  const head = Buffer.alloc(5, 'p', 'latin1');
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}

/** SASLInitialResponse that gives `token`, without an authorization identity (RFC 7628, section 3.1). */
export function initialResponse(token: Secret): Buffer {
  const text = token.reveal();
  // A separator within the token would end it, and begin a field of its own.
  if (!isBearerToken(text)) throw new ConnectorError('INTERNAL', { problem: 'a text that can be no token' });
  const answer = Buffer.from(`n,,${KVSEP}auth=Bearer ${text}${KVSEP}${KVSEP}`, 'latin1');
  const length = Buffer.alloc(4);
  length.writeInt32BE(answer.length);
  return passwordMessage(Buffer.concat([Buffer.from(`${OAUTHBEARER}\0`), length, answer]));
}

/** SASLResponse by which a client says that it has read why it was refused (RFC 7628, section 3.2.3). */
export const ACKNOWLEDGEMENT = passwordMessage(Buffer.from(KVSEP));

/** What a server wants that refused a token (RFC 7628, section 3.2.2); foreign text, made fit for a message. */
export interface BearerDemand {
  /** Such as `invalid_token`. */
  readonly status: string;
  readonly scope: string | undefined;
  /** Address of the OpenID configuration of the authority that it takes tokens from. */
  readonly configuration: string | undefined;
}

/** A real document has some hundred bytes. */
const LARGEST_DEMAND = 8_192;
const LONGEST_FIELD = 300;

/** The document in the body of AuthenticationSASLContinue, or undefined where it is none. */
export function readDemand(document: Buffer): BearerDemand | undefined {
  const members = document.length <= LARGEST_DEMAND ? parseObject(document.toString('utf8')) : undefined;
  const text = (name: string): string | undefined => {
    const value = members?.[name];
    return typeof value === 'string' && value !== '' ? printable(value.slice(0, LONGEST_FIELD)) : undefined;
  };
  const status = text('status');
  if (status === undefined) return undefined;
  return { status, scope: text('scope'), configuration: text('openid-configuration') };
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
