import type { ClientAuth, CustomFetchOptions } from 'oauth4webapi';
import { ConnectorError } from '../errors.js';
import type { AssertionSigner } from './client-assertion.js';
import { basicAuthorization } from './client-secret.js';
import type { Credential } from './credential-source.js';
import type { AuthorityAnswer, AuthorityRequest } from './network.js';

/** Sends one request and gives what came back. */
export type Send = (request: AuthorityRequest) => Promise<AuthorityAnswer>;

/**
 * Which document a provider is asked for: `oidc` of OpenID Connect Discovery 1.0 (section 4, behind
 * the issuer's path), `oauth2` of RFC 8414 (section 3, before that path).
 */
export type MetadataKind = 'oidc' | 'oauth2';

/** The answer of `issuer` to the request for its metadata. Throws what `send` throws. */
export async function requestMetadata(
  issuer: string,
  kind: MetadataKind,
  send: Send,
): Promise<AuthorityAnswer> {
  const { discoveryRequest, customFetch } = await import('oauth4webapi');
  return carried(send, (fetch) =>
    discoveryRequest(new URL(issuer), { algorithm: kind, [customFetch]: fetch }),
  );
}

/** What is asked of a token endpoint. */
export interface TokenRequest {
  readonly endpoint: string;
  readonly clientId: string;
  /** Proves the client; undefined where the grant is proof enough. */
  readonly credential: Credential | undefined;
  /** Signs the assertion that proves a client with a certificate. */
  readonly sign: (signer: AssertionSigner) => Promise<string>;
  readonly grantType: string;
  /** Form fields beside `grant_type` and those that prove the client. */
  readonly fields: Readonly<Record<string, string>>;
  /** Marks the request, for those who read both logs. */
  readonly correlationId: string;
}

/** The answer of a token endpoint (RFC 6749 section 3.2). Throws what `send` throws. */
export async function requestToken(request: TokenRequest, send: Send): Promise<AuthorityAnswer> {
  const { endpoint, clientId, grantType, fields, correlationId } = request;
  const oauth = await import('oauth4webapi');
  // The library asks for a name of the server and looks at its token endpoint only.
  const server = { issuer: new URL(endpoint).origin, token_endpoint: endpoint };
  const client = { client_id: clientId };
  const headers = { 'client-request-id': correlationId };
  return carried(send, (fetch) =>
    oauth.genericTokenEndpointRequest(server, client, proofOf(request, oauth), grantType, fields, {
      headers,
      [oauth.customFetch]: fetch,
    }),
  );
}

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

// OpenID Connect Core 1.0 section 9: client_secret_basic, client_secret_post, private_key_jwt, none.
function proofOf(
  { credential, sign }: TokenRequest,
  { ClientSecretPost, None }: typeof import('oauth4webapi'),
): ClientAuth {
  if (credential === undefined) return None();
  if (credential.kind !== 'secret')
    return async (_, { client_id: clientId }, body) => {
      const assertion =
        credential.kind === 'certificate' ? await sign(credential.signer) : credential.assertion.reveal();
      body.set('client_id', clientId);
      body.set('client_assertion_type', JWT_BEARER);
      body.set('client_assertion', assertion);
    };
  const secret = credential.secret.reveal();
  if (credential.placement === 'POST') return ClientSecretPost(secret);
  return (_, { client_id: clientId }, __, headers) => {
    headers.set('authorization', basicAuthorization(clientId, secret));
  };
}

type Carrier = (
  url: string,
  options: CustomFetchOptions<'GET' | 'POST', URLSearchParams | undefined>,
) => Promise<Response>;

// The library builds the request. The answer goes past it, since we judge it ourselves.
async function carried(send: Send, request: (fetch: Carrier) => Promise<unknown>): Promise<AuthorityAnswer> {
  let answer: AuthorityAnswer | undefined;
  await request(async (url, { method, headers, body }) => {
    answer = await send({ method, url, headers, ...(body && { body: body.toString() }) });
    return new Response();
  });
  if (!answer) throw new ConnectorError('INTERNAL', { problem: 'the request was not sent' });
  return answer;
}
