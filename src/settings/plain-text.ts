import type { PropertyName } from './properties.js';
import type { ValueReader } from './value-reader.js';

/** What a value has to be that {@link isPrintable} refuses. */
export const PRINTABLE = 'must not hold control characters';

/** Whether `text` is shown as it is, and cannot end a field of a protocol: no control character, no change of direction. */
export function isPrintable(text: string): boolean {
  return !/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u.test(text);
}

/** The user name for a proxy that `name` holds; `http` says of which choice of the user's it follows that Basic credentials carry it. */
export function proxyUserOf(
  values: ValueReader,
  name: PropertyName,
  { protocol, http }: { readonly protocol: string; readonly http: string },
): string | undefined {
  return protocol.startsWith('socks')
    ? values.optionalChecked(name, isPrintable, PRINTABLE)
    : values.optionalChecked(name, isBasicUser, `${BASIC_USER} with ${http}`);
}

const BASIC_USER = 'must hold neither control characters nor a colon';

/** A colon ends the user name in Basic credentials (RFC 7617 section 2): the rest would be taken for the password. */
export function isBasicUser(text: string): boolean {
  return isPrintable(text) && !text.includes(':');
}
