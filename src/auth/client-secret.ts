/**
 * Value of the Authorization header for a client and its secret: each encoded as a form field first
 * (RFC 6749 section 2.3.1 and appendix B), so that any character may occur. Letters, digits and
 * `-._*` stay as they are, for the providers that forget to decode.
 */
export function basicAuthorization(clientId: string, secret: string): string {
  const encoded = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1);
  return `Basic ${Buffer.from(`${encoded(clientId)}:${encoded(secret)}`).toString('base64')}`;
}
