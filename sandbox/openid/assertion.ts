import * as jose from 'jose';
import type { KeyObject } from 'node:crypto';
import { clockToleranceSeconds, UsedAssertions } from '../tokens/assertion.js';

/** Who may sign an assertion, and what it has to say. */
export interface AssertionRule {
  readonly issuer: string;
  readonly subjects: readonly string[];
  readonly publicKey: KeyObject;
  /** Whether an assertion counts once only; then it needs a `jti`. */
  readonly once: boolean;
}

/** Checks assertions by the rules of RFC 7523 section 3. */
export interface AssertionCheck {
  /** The assertion's subject. Rejects with a text that says what is wrong with it. */
  check(assertion: string, rules: readonly AssertionRule[], audiences: readonly string[]): Promise<string>;
}

/** A check by this clock (ms since the epoch). */
export const createAssertionCheck = (now: () => number): AssertionCheck => {
  const used = new UsedAssertions();
  return {
    check: async (assertion, rules, audiences) => {
      const rule = rules.find(({ issuer }) => issuer === issuerOf(assertion));
      if (!rule) throw new Error('the issuer is not known');
      const { payload } = await jose.jwtVerify(assertion, rule.publicKey, {
        algorithms: ['RS256', 'PS256'],
        audience: [...audiences],
        requiredClaims: rule.once ? ['sub', 'exp', 'jti'] : ['sub', 'exp'],
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(now()),
      });
      const { sub = '', exp = 0, jti = '' } = payload;
      if (!rule.subjects.includes(sub)) throw new Error('the subject is not known');
      if (rule.once && !used.use(rule.issuer, jti, exp, now() / 1000))
        throw new Error('an assertion with this jti was used before');
      return sub;
    },
  };
};

const issuerOf = (assertion: string): string | undefined => {
  try {
    return jose.decodeJwt(assertion).iss;
  } catch {
    throw new Error('it is no JWT');
  }
};
