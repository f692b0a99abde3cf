import type { AuthorityRequest, GrantRecord } from '../authority/request-log.js';
import type { BoundedLog } from '../bounded-log.js';
import { given, type Reading } from '../http/reading.js';
import { startService, type Service, type ServiceScript } from '../http/service.js';
import { answerAppService, appServicePath, appServiceRefusal } from './app-service.js';
import type { IdentityParts } from './identity.js';
import { answerImds, imdsPath, imdsRefusal } from './imds.js';

/** What the endpoints are made of. */
export interface ManagedIdentityParts extends IdentityParts {
  readonly script: IdentityParts['script'] & ServiceScript;
  /** What App Service puts into `IDENTITY_HEADER`. */
  readonly header: string;
  readonly log: BoundedLog<AuthorityRequest>;
}

/** A plain HTTP server with the endpoints from which Azure's machines get tokens: App Service's and IMDS's. */
export const startManagedIdentity = (parts: ManagedIdentityParts): Promise<Service> =>
  startService({
    name: 'managedIdentity',
    routes: () => [
      {
        method: 'GET',
        path: appServicePath,
        kind: 'token',
        answer: (reading) => answerAppService(parts, parts.header, reading),
        outline,
      },
      {
        method: 'GET',
        path: imdsPath,
        kind: 'token',
        answer: (reading) => answerImds(parts, reading),
        outline,
      },
    ],
    refuse: (refusal, { path, correlationId }) =>
      path === imdsPath ? imdsRefusal(refusal) : appServiceRefusal(refusal, correlationId),
    script: parts.script,
    log: parts.log,
    now: parts.now,
  });

/** What a request asks for, for the log. */
const outline = ({ query }: Reading): GrantRecord => {
  const clientId = given(query, 'client_id')?.slice(0, 500);
  const resource = given(query, 'resource')?.slice(0, 500);
  return {
    credential: 'none',
    ...(clientId !== undefined && { clientId }),
    ...(resource !== undefined && { resource }),
  };
};
