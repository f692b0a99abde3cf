import type { GrantRecord } from '../authority/request-log.js';
import { outlineAssertion, type AssertionOutline } from '../tokens/assertion.js';
import { readClientSecret, type SentSecret } from './client-secret.js';
import { given, type Reading } from './reading.js';

/** What a token request asks for, without anything secret; for the request log. */
export const outlineGrant = ({ headers, form }: Pick<Reading, 'headers' | 'form'>): GrantRecord => {
  const value = (name: string): string | undefined => given(form, name)?.slice(0, 500);
  const sent = readClientSecret({ headers, form });
  const assertion = given(form, 'client_assertion') ?? given(form, 'assertion');
  const grantType = value('grant_type');
  const clientId = sent?.clientId?.slice(0, 500) ?? value('client_id');
  const scope = value('scope');
  const resource = value('resource') ?? value('audience');
  const outline = assertion === undefined ? undefined : outlineAssertion(assertion);
  return {
    ...(grantType !== undefined && { grantType }),
    ...(clientId !== undefined && { clientId }),
    ...(scope !== undefined && { scope }),
    ...(resource !== undefined && { resource }),
    ...proofOf(outline, sent),
  };
};

/** What a client proves itself with, as far as it can be told without trusting it. */
const proofOf = (
  assertion: AssertionOutline | undefined,
  sent: SentSecret | undefined,
): Pick<GrantRecord, 'credential' | 'secretIn' | 'assertion'> => {
  if (assertion) return { credential: credentialOf(assertion.issuer), assertion };
  return sent?.secret === undefined
    ? { credential: 'none' }
    : { credential: 'secret', secretIn: sent.sentIn };
};

const credentialOf = (issuer: string | undefined): GrantRecord['credential'] =>
  issuer !== undefined && URL.canParse(issuer) ? 'federated' : 'certificate';
