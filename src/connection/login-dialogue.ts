import { ConnectorError } from '../errors.js';
import type { Secret } from '../settings/secret.js';
import {
  ACKNOWLEDGEMENT,
  initialResponse,
  OAUTHBEARER,
  readDemand,
  type BearerDemand,
} from './oauth-bearer.js';

/** What the login is proved with, which decides to whom it may be shown. */
export type LoginProof =
  /** Given in answer to a request for a cleartext password, or for OAUTHBEARER. */
  | {
      readonly kind: 'token';
      readonly token: Secret;
      /** Whether the stream is encrypted and its peer verified: without, no token is given. */
      readonly isVerified: boolean;
    }
  | {
      readonly kind: 'password';
      /** Weakest way in which it may be given (libpq's `require_auth`). */
      readonly weakest: 'SCRAM-SHA-256' | 'MD5' | 'PASSWORD';
      /** Whether the stream is encrypted and its peer verified: without, no cleartext password is given. */
      readonly isVerified: boolean;
    };

/** What becomes of an AuthenticationRequest. */
export type Admission =
  /** The driver answers it. */
  | { readonly kind: 'passed' }
  /** This answers it, and the driver does not hear of it. */
  | { readonly kind: 'answered'; readonly reply: Buffer }
  /** It ends the login, with an error or as a violation of the protocol. */
  | { readonly kind: 'refused'; readonly reason: ConnectorError | string };

const PASSED: Admission = { kind: 'passed' };

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

/** Of OAUTHBEARER the steps `bearer` (the token was given) and `refused` (the server said what it wants). */
type Step = 'asking' | 'sasl' | 'sasl-continued' | 'bearer' | 'refused' | 'answered' | 'accepted';

/**
 * The requests of one login in their order. A token is given once, to a request for a cleartext
 * password or by OAUTHBEARER (RFC 7628), which is spoken here because the driver does not know it; a
 * password proves itself by SCRAM (RFC 5802), whose server must prove itself too, or in a weaker way
 * that was asked for by name. Nobody gets in unasked.
 */
export class LoginDialogue {
  readonly #proof: LoginProof;
  #step: Step = 'asking';
  #demand: BearerDemand | undefined;

  constructor(proof: LoginProof) {
    this.#proof = proof;
  }

  get isAccepted(): boolean {
    return this.#step === 'accepted';
  }

  /** What the server wants, once it has refused the token by OAUTHBEARER. */
  get demand(): BearerDemand | undefined {
    return this.#demand;
  }

  /** Takes the body of an AuthenticationRequest. */
  admit(body: Buffer): Admission {
    const code = body.readInt32BE(0);
    if (this.#proof.kind === 'token' && code === REQUEST.sasl && this.#step === 'asking')
      return this.#giveToken(this.#proof, body);
    if (this.#step === 'bearer' && code === REQUEST.saslContinue) return this.#acknowledge(body);
    const next = this.#next(code, body);
    if (next === undefined) return { kind: 'refused', reason: this.#refusal(code, body) };
    this.#step = next;
    return PASSED;
  }

  #giveToken(proof: LoginProof & { kind: 'token' }, body: Buffer): Admission {
    if (!proof.isVerified || !mechanismsOf(body).includes(OAUTHBEARER))
      return { kind: 'refused', reason: this.#refusal(REQUEST.sasl, body) };
    this.#step = 'bearer';
    return { kind: 'answered', reply: initialResponse(proof.token) };
  }

  #acknowledge(body: Buffer): Admission {
    this.#demand = readDemand(body.subarray(4));
    if (!this.#demand) return { kind: 'refused', reason: 'a refusal of the token that cannot be read' };
    this.#step = 'refused';
    return { kind: 'answered', reply: ACKNOWLEDGEMENT };
  }

  #refusal(code: number, body: Buffer): ConnectorError | string {
    const known = this.#step === 'asking' ? METHODS[code] : undefined;
    if (!known) return `authentication request ${String(code)}`;
    const [method, meaning] = known;
    const proof = this.#proof;
    if (proof.kind === 'token') {
      return proof.isVerified
        ? new ConnectorError('TOKEN_LOGIN_NOT_OFFERED', { method, meaning })
        : new ConnectorError('INTERNAL', { problem: 'a token for a server that is not verified' });
    }
    if (code === REQUEST.sasl && mechanismsOf(body).includes(OAUTHBEARER))
      return new ConnectorError('TOKEN_EXPECTED', {});
    return new ConnectorError('PASSWORD_LOGIN_NOT_OFFERED', { method, meaning, required: proof.weakest });
  }

  #next(code: number, body: Buffer): Step | undefined {
    switch (this.#step) {
      case 'asking':
        return this.#firstStep(code, body);
      case 'sasl':
        return code === REQUEST.saslContinue ? 'sasl-continued' : undefined;
      case 'sasl-continued':
        return code === REQUEST.saslFinal ? 'answered' : undefined;
      case 'bearer':
      case 'answered':
        return code === REQUEST.ok ? 'accepted' : undefined;
      default:
        return undefined;
    }
  }

  #firstStep(code: number, body: Buffer): Step | undefined {
    const { kind, isVerified } = this.#proof;
    if (kind === 'token') return code === REQUEST.cleartext && isVerified ? 'answered' : undefined;
    const { weakest } = this.#proof;
    if (code === REQUEST.sasl) return offersScram(body) ? 'sasl' : undefined;
    if (code === REQUEST.md5 && body.length === 8)
      return weakest === 'SCRAM-SHA-256' ? undefined : 'answered';
    return code === REQUEST.cleartext && weakest === 'PASSWORD' && isVerified ? 'answered' : undefined;
  }
}

function offersScram(body: Buffer): boolean {
  const mechanisms = mechanismsOf(body);
  return mechanisms.includes('SCRAM-SHA-256') || mechanisms.includes('SCRAM-SHA-256-PLUS');
}

/** Names in the body of AuthenticationSASL: each terminated, and an empty one at the end. */
function mechanismsOf(body: Buffer): readonly string[] {
  return body.subarray(4).toString('latin1').split('\0');
}
