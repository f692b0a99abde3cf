import type { Socket } from 'node:net';
import type { AccessToken } from '../auth/access-token.js';
import type { TokenSource } from '../auth/token-source.js';
import { deadline, type Clock } from '../clock.js';
import { ConnectorError } from '../errors.js';
import { Secret } from '../settings/secret.js';
import type { Settings } from '../settings/settings.js';
import type { LoginProof } from './login-dialogue.js';
import { isVerified } from './transport.js';

/** What the login gives: the token, or the password of the settings. */
export function secretOf(token: AccessToken | undefined, { identity }: Settings): Secret {
  if (token) return token.value;
  return identity.kind === 'password' ? identity.password : new Secret('');
}

/** What a login over `socket` is proved with: `secret` is the token or the password. */
export function proofOf(socket: Socket, secret: Secret, { identity, server }: Settings): LoginProof {
  const verified = isVerified(socket, server.tls);
  if (identity.kind !== 'password') return { kind: 'token', token: secret, isVerified: verified };
  return { kind: 'password', weakest: identity.weakest, isVerified: verified };
}

/** A request of our own ends by its own limit, and says more; this much later we stop waiting for others. */
const OTHERS_GRACE_MS = 200;

/**
 * The token of the moment, within `Timeout` (0 = no limit): it may be on its way for another
 * connection or process, whose limits are its own.
 *
 * @throws ConnectorError TOKEN_TIMEOUT, what the token request failed with, or the reason of `signal`
 */
export async function tokenInTime(
  tokens: TokenSource,
  { clock, settings: { timeoutMs } }: { readonly clock: Clock; readonly settings: Settings },
  signal?: AbortSignal,
): Promise<AccessToken> {
  const limitMs = timeoutMs === 0 ? 0 : timeoutMs + OTHERS_GRACE_MS;
  const limit = deadline(clock, limitMs, () => new ConnectorError('TOKEN_TIMEOUT', { timeoutMs }), signal);
  try {
    return await tokens.get(limit.signal);
  } finally {
    limit.dispose();
  }
}
