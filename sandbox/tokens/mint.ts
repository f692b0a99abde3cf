import { override, type Overrides } from '../overrides.js';
import type { Signature, SigningKey } from './signing-key.js';
import type { TokenRegister } from './token-register.js';

/** What a test has told every issuer of access tokens; read for each token. */
export interface MintScript {
  tokenLifetimeSeconds: number;
  /** `opaque`: a random text stands for the JWT, which only the gate can look up. */
  tokenFormat: 'jwt' | 'opaque';
  claims: Overrides;
  tokenResponse: Overrides;
}

/** A signed token and the claim by which logs name it (`uti`, or `jti`). */
export interface AccessToken {
  readonly text: string;
  readonly id: string;
}

/** The claims of an access token; `uti` or `jti` names it. */
export type Claims = Readonly<Record<string, unknown>>;

/** Makes the access tokens of one issuer. */
export interface TokenMint {
  readonly key: SigningKey;
  /** A token with these claims, as the script changes them; `overrides` come last. */
  issue(claims: Claims, overrides?: Overrides, signature?: Signature): Promise<AccessToken>;
}

/** A mint with this key. */
export const createMint = (key: SigningKey, register: TokenRegister, script: MintScript): TokenMint => ({
  key,
  issue: async (claims, overrides = script.claims, signature = 'own') => {
    const token = await key.sign(override(claims, overrides), signature);
    register.add(token);
    const id = String(claims['uti'] ?? claims['jti']);
    return { text: script.tokenFormat === 'opaque' ? register.hide(token) : token, id };
  },
});
