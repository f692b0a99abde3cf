import type { Duplex } from 'node:stream';
import { LoginRefused, loginRefusals } from './refusal.js';
import { authenticationRequest, readMessage } from './wire.js';

/** The server's side of SASL OAUTHBEARER (RFC 7628), as PostgreSQL 18 has it. */

/** What a server wants, told to a client whose token it refuses (RFC 7628 section 3.2.2). */
export interface BearerDemand {
  readonly issuer: string;
  readonly scope: string;
}

/** Asks for a token by OAUTHBEARER alone and gives what the client answers, whose message may have `longest` bytes. */
export const readBearer = async (stream: Duplex, longest: number): Promise<string> => {
  stream.write(authenticationRequest(10, Buffer.from('OAUTHBEARER\0\0')));
  const { type, body } = await readMessage(stream, longest);
  const [, bearer] =
    /^OAUTHBEARER\0[^]{4}[ny],,\x01auth=Bearer ([\x20-\x7e]*)\x01(?:[a-z]+=[^\x01]*\x01)*\x01$/.exec(
      body.toString('latin1'),
    ) ?? [];
  if (type !== 'p' || bearer === undefined) throw malformed();
  return bearer;
};

/** Tells the client what is wanted; resolves when it has said that it has read it. */
export const sendDemand = async (stream: Duplex, { issuer, scope }: BearerDemand): Promise<void> => {
  const configuration = `${issuer}/.well-known/openid-configuration`;
  const document = { status: 'invalid_token', 'openid-configuration': configuration, scope };
  stream.write(authenticationRequest(11, Buffer.from(JSON.stringify(document))));
  const { type, body } = await readMessage(stream, 1);
  if (type !== 'p' || body[0] !== 1) throw malformed();
};

const malformed = (): LoginRefused =>
  new LoginRefused(loginRefusals.protocolViolation('malformed OAUTHBEARER message'));
