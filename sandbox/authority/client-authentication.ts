import { readClientSecret, sameText } from '../http/client-secret.js';
import { given, type Reading } from '../http/reading.js';
import { assertionType } from '../tokens/assertion.js';
import type { CredentialKind } from './access-token.js';
import type { AssertionJudge } from './client-assertion.js';
import type { DirectoryApplication } from './directory.js';
import { judgeFederated, readClaims, type ForeignIssuer } from './federated-assertion.js';
import { refusal } from './refusal.js';

/** What clients are judged by. */
export interface AuthenticationParts {
  readonly judge: AssertionJudge;
  /** Issuers whose tokens can stand for an app. */
  readonly issuers: readonly ForeignIssuer[];
  readonly secretsExpired: () => boolean;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** The app that a request says it comes from; throws a `Refusal` if the request says it in two ways, or in none. */
export const clientIdOf = ({ headers, form }: Reading): string => {
  const sent = readClientSecret({ headers, form });
  if (!sent) throw refusal(9002313, { reason: 'The Authorization header cannot be read.' });
  const named = given(form, 'client_id');
  if (sent.sentIn === 'header') {
    if (given(form, 'client_secret') !== undefined || given(form, 'client_assertion') !== undefined)
      throw refusal(9002313, { reason: 'The client used more than one way to authenticate.' });
    if (named !== undefined && named !== sent.clientId)
      throw refusal(9002313, { reason: 'The header and the body name different clients.' });
  }
  return sent.clientId ?? required(form, 'client_id');
};

/** The value of a parameter that must be there. */
export const required = (form: URLSearchParams, name: string): string => {
  const value = given(form, name);
  if (value === undefined) throw refusal(900144, { name });
  return value;
};

/** Tells by what an app proved who it is; throws a `Refusal` if it did not. */
export const authenticateClient = async (
  parts: AuthenticationParts,
  application: DirectoryApplication,
  reading: Reading,
  audiences: readonly string[],
): Promise<CredentialKind> => {
  const assertion = given(reading.form, 'client_assertion');
  if (assertion === undefined) return bySecret(parts, application, reading);
  const type = required(reading.form, 'client_assertion_type');
  if (type !== assertionType)
    throw refusal(50027, { reason: `'${type}' is not a known client_assertion_type.` });
  if (isFederated(assertion, application)) {
    await judgeFederated(assertion, application, parts.issuers, parts.now());
    return 'federated';
  }
  await parts.judge.judge(assertion, application, audiences);
  return 'certificate';
};

/** The token of another issuer is a URL's; an app's own assertion names a certificate, and the app as issuer. */
const isFederated = (assertion: string, { clientId }: DirectoryApplication): boolean => {
  const { iss } = readClaims(assertion);
  return iss !== undefined && iss !== clientId && URL.canParse(iss);
};

const bySecret = (
  { secretsExpired }: AuthenticationParts,
  { clientId, credentials }: DirectoryApplication,
  reading: Reading,
): CredentialKind => {
  const secret = readClientSecret(reading)?.secret;
  if (secret === undefined || secret === '') throw refusal(7000218);
  const known = credentials.secrets.find(({ value }) => sameText(secret, value));
  if (!known) throw refusal(7000215, { clientId });
  if (known.expired || secretsExpired()) throw refusal(7000222, { clientId });
  return 'secret';
};
