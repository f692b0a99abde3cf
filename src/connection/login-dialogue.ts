import { ConnectorError } from '../errors.js';

/** What the login is proved with, which decides to whom it may be shown. */
export type LoginProof =
  /** Given in answer to a request for a cleartext password; the stream is verified. */
  | { readonly kind: 'token' }
  | {
      readonly kind: 'password';
      /** Weakest way in which it may be given (libpq's `require_auth`). */
      readonly weakest: 'SCRAM-SHA-256' | 'MD5' | 'PASSWORD';
      /** Whether the stream is encrypted and its peer verified: without, no cleartext password is given. */
      readonly isVerified: boolean;
    };

/** Codes of AuthenticationRequest (PostgreSQL documentation, section 54.7). */
const REQUEST = { ok: 0, cleartext: 3, md5: 5, sasl: 10, saslContinue: 11, saslFinal: 12 } as const;

/** What each request stands for, and what its server expects. */
const METHODS: Readonly<Record<number, readonly [method: string, meaning: string]>> = {
  0: ['no question at all (trust)', 'it lets anybody in, so it did not check who we are'],
  2: ['a Kerberos request', 'it expects a Kerberos ticket'],
  3: ['a request for a cleartext password', 'it would see the password, or expects a token'],
  5: ['a request for an MD5 password', 'it expects a stored password for this role'],
  7: ['a GSSAPI request', 'it expects a Kerberos ticket'],
  9: ['an SSPI request', 'it expects a Windows login'],
  10: ['a SASL request (SCRAM)', 'it expects a stored password for this role'],
};

type Step = 'asking' | 'sasl' | 'sasl-continued' | 'answered' | 'accepted';

/**
 * The requests of one login in their order. A token is given once, to a request for a cleartext
 * password; a password proves itself by SCRAM (RFC 5802), whose server must prove itself too, or in
 * a weaker way that was asked for by name. Nobody gets in unasked.
 */
export class LoginDialogue {
  readonly #proof: LoginProof;
  #step: Step = 'asking';

  constructor(proof: LoginProof) {
    this.#proof = proof;
  }

  get isAccepted(): boolean {
    return this.#step === 'accepted';
  }

  /** Takes the body of an AuthenticationRequest; gives why it is refused, or undefined. */
  admit(body: Buffer): ConnectorError | string | undefined {
    const code = body.readInt32BE(0);
    const next = this.#next(code, body);
    if (next !== undefined) {
      this.#step = next;
      return undefined;
    }
    const known = this.#step === 'asking' ? METHODS[code] : undefined;
    if (!known) return `authentication request ${String(code)}`;
    const [method, meaning] = known;
    if (this.#proof.kind === 'token')
      return new ConnectorError('TOKEN_LOGIN_NOT_OFFERED', { method, meaning });
    const required = this.#proof.weakest;
    return new ConnectorError('PASSWORD_LOGIN_NOT_OFFERED', { method, meaning, required });
  }

  #next(code: number, body: Buffer): Step | undefined {
    switch (this.#step) {
      case 'asking':
        return this.#firstStep(code, body);
      case 'sasl':
        return code === REQUEST.saslContinue ? 'sasl-continued' : undefined;
      case 'sasl-continued':
        return code === REQUEST.saslFinal ? 'answered' : undefined;
      case 'answered':
        return code === REQUEST.ok ? 'accepted' : undefined;
      default:
        return undefined;
    }
  }

  #firstStep(code: number, body: Buffer): Step | undefined {
    if (this.#proof.kind === 'token') return code === REQUEST.cleartext ? 'answered' : undefined;
    const { weakest, isVerified } = this.#proof;
    if (code === REQUEST.sasl) return offersScram(body) ? 'sasl' : undefined;
    if (code === REQUEST.md5 && body.length === 8)
      return weakest === 'SCRAM-SHA-256' ? undefined : 'answered';
    return code === REQUEST.cleartext && weakest === 'PASSWORD' && isVerified ? 'answered' : undefined;
  }
}

function offersScram(body: Buffer): boolean {
  const mechanisms = body.subarray(4).toString('latin1').split('\0');
  return mechanisms.includes('SCRAM-SHA-256') || mechanisms.includes('SCRAM-SHA-256-PLUS');
}
