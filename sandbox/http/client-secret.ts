import { createHash, timingSafeEqual } from 'node:crypto';
import { given, type Reading } from './reading.js';

/** The client's id and secret, and where it sent them (RFC 6749 section 2.3.1). */
export interface SentSecret {
  readonly clientId: string | undefined;
  readonly secret: string | undefined;
  readonly sentIn: 'body' | 'header';
}

/** Id and secret of a request: by HTTP Basic if it has that, else from the body; undefined if the header cannot be read. */
export const readClientSecret = ({
  headers,
  form,
}: Pick<Reading, 'headers' | 'form'>): SentSecret | undefined => {
  const { authorization } = headers;
  if (authorization === undefined)
    return { clientId: given(form, 'client_id'), secret: given(form, 'client_secret'), sentIn: 'body' };
  const [, encoded] = /^Basic +([\w+/]+=*) *$/i.exec(authorization) ?? [];
  const text = Buffer.from(encoded ?? '', 'base64').toString();
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  const clientId = decode(text.slice(0, colon));
  const secret = decode(text.slice(colon + 1));
  return clientId === undefined || secret === undefined ? undefined : { clientId, secret, sentIn: 'header' };
};

/** Whether two texts are the same, in a time that does not tell where they differ. */
export const sameText = (left: string, right: string): boolean => {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
};

/** The text behind `application/x-www-form-urlencoded`, which id and secret are before they go into the header. */
const decode = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
};
