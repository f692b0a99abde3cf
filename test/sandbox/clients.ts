import { X509Certificate, createHash, createPrivateKey, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as jose from 'jose';
import pg from 'pg';
import { Agent, fetch, type RequestInit, type Response } from 'undici';
import type { Sandbox } from '#sandbox/index.js';

/** The scope of Azure Database for PostgreSQL in the public cloud. */
export const databaseScope = 'https://ossrdbms-aad.database.windows.net/.default';

/** An HTTP client that trusts the sandbox's CA; `close` ends its connections. */
export interface HttpClient {
  (path: string, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

/** A client for paths below the authority's address; redirects are not followed. */
export const httpClient = (sandbox: Sandbox): HttpClient => {
  const dispatcher = new Agent({ connect: { ca: sandbox.authority.ca } });
  const send = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(new URL(path, sandbox.authority.url), { redirect: 'manual', ...init, dispatcher });
  return Object.assign(send, { close: () => dispatcher.destroy() });
};

/** The form of a good token request with the app's secret; an undefined field is left out. */
export const tokenForm = (
  sandbox: Sandbox,
  fields: Readonly<Record<string, string | undefined>> = {},
): URLSearchParams => {
  const form: Record<string, string | undefined> = {
    grant_type: 'client_credentials',
    client_id: sandbox.clientId,
    client_secret: sandbox.clientSecret,
    scope: databaseScope,
    ...fields,
  };
  return new URLSearchParams(
    Object.entries(form).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
};

/** A JSON answer of the authority. */
export interface JsonAnswer {
  readonly status: number;
  readonly headers: Response['headers'];
  readonly body: Record<string, unknown>;
}

/** The answer to a token request with this form. */
export const requestToken = async (
  http: HttpClient,
  form: URLSearchParams,
  tenant: string,
  headers: Record<string, string> = {},
): Promise<JsonAnswer> => {
  const response = await http(`/${tenant}/oauth2/v2.0/token`, {
    method: 'POST',
    body: form.toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
};

/** What to change about an assertion that would be accepted. */
export interface AssertionChanges {
  /** Key and certificate as PEM, or the file that holds them; the app's registered one when absent. */
  readonly pem?: string;
  readonly algorithm?: 'PS256' | 'RS256';
  readonly claims?: jose.JWTPayload;
  /** Claims to leave out. */
  readonly without?: readonly string[];
  /** Signs with this key instead of the one in the file. */
  readonly keyPem?: string;
  /** Fields of the header to add. */
  readonly header?: Readonly<Record<string, unknown>>;
}

/** A client assertion: PS256 with `x5t#S256`, or RS256 with `x5t`. */
export const signAssertion = async (
  sandbox: Sandbox,
  {
    pem = sandbox.certificates.pem,
    algorithm = 'PS256',
    claims = {},
    without = [],
    keyPem,
    header = {},
  }: AssertionChanges = {},
): Promise<string> => {
  const text = pem.startsWith('-----') ? pem : readFileSync(pem, 'utf8');
  const certificate = new X509Certificate(text.slice(text.indexOf('-----BEGIN CERTIFICATE')));
  const digest = (name: string) => createHash(name).update(certificate.raw).digest('base64url');
  const now = Math.floor(Date.now() / 1000);
  const all: jose.JWTPayload = {
    iss: sandbox.clientId,
    sub: sandbox.clientId,
    aud: `${sandbox.authority.url}/${sandbox.tenantId}/oauth2/v2.0/token`,
    jti: randomUUID(),
    nbf: now,
    exp: now + 300,
    ...claims,
  };
  const chosen = Object.fromEntries(Object.entries(all).filter(([name]) => !without.includes(name)));
  const named = algorithm === 'PS256' ? { 'x5t#S256': digest('sha256') } : { x5t: digest('sha1') };
  return new jose.SignJWT(chosen)
    .setProtectedHeader({ alg: algorithm, typ: 'JWT', ...named, ...header })
    .sign(createPrivateKey(keyPem ?? text));
};

/** The form of a token request with an assertion. */
export const assertionForm = (sandbox: Sandbox, assertion: string): URLSearchParams =>
  tokenForm(sandbox, {
    client_secret: undefined,
    client_assertion: assertion,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  });

/** A `pg` client for the gate, over verified TLS; not connected yet. */
const gateClient = (sandbox: Sandbox, changes: pg.ClientConfig = {}): pg.Client => {
  const client = new pg.Client({
    host: sandbox.gate.host,
    port: sandbox.gate.port,
    user: sandbox.role,
    database: sandbox.database,
    ssl: { ca: sandbox.authority.ca },
    connectionTimeoutMillis: 10_000,
    ...changes,
  });
  client.on('error', () => undefined);
  return client;
};

/** A client that has logged in with this token. */
export const logIn = async (
  sandbox: Sandbox,
  password: string,
  changes: pg.ClientConfig = {},
): Promise<pg.Client> => {
  const client = gateClient(sandbox, { password, ...changes });
  await client.connect();
  return client;
};

/** The error with which a login fails; throws if it succeeds. */
export const loginError = async (
  sandbox: Sandbox,
  password: string,
  changes: pg.ClientConfig = {},
): Promise<pg.DatabaseError> => {
  const client = gateClient(sandbox, { password, ...changes });
  try {
    await client.connect();
  } catch (error) {
    return error as pg.DatabaseError;
  } finally {
    await client.end().catch(() => undefined);
  }
  throw new Error('the login succeeded');
};

/** The error with which a promise rejects; throws if it resolves. */
export const rejection = async (promise: Promise<unknown>): Promise<Error> => {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not reject');
};
