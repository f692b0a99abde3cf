import { createHash, randomBytes } from 'node:crypto';

/** The access tokens of all issuers: which were revoked, and what an opaque one stands for. */
export class TokenRegister {
  readonly #issued = new Set<string>();
  readonly #revoked = new Set<string>();
  readonly #hidden = new Map<string, string>();

  /** Notes a token that was issued. */
  add(token: string): void {
    this.#issued.add(fingerprint(token));
  }

  /** Marks a token as revoked, or with `all` those that were issued so far. */
  revoke(token: string): void {
    const revoked = token === 'all' ? this.#issued : [fingerprint(this.reveal(token))];
    for (const one of revoked) this.#revoked.add(one);
  }

  isRevoked(token: string): boolean {
    return this.#revoked.has(fingerprint(token));
  }

  /** A random text that stands for a token. */
  hide(token: string): string {
    const reference = randomBytes(32).toString('base64url');
    this.#hidden.set(reference, token);
    return reference;
  }

  /** The token that a text stands for; the text itself if it stands for none. */
  reveal(text: string): string {
    return this.#hidden.get(text) ?? text;
  }
}

const fingerprint = (token: string): string => createHash('sha256').update(token).digest('base64');
