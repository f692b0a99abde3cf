import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sandbox } from '#sandbox/index.js';
import type { AuthorityFacts } from './authority-facts.js';
import type { Bounds } from './compare.js';
import type { Exchange } from './exchange.js';
import type { FlowCredentials, FlowNode } from './node-red.js';

/** Root of the checkout; this file is compiled to `.build/samples/runner/`. */
export const PROJECT = fileURLToPath(new URL('../../..', import.meta.url));

/** The content of an `expected.json`. */
export interface Expected {
  /** What the authority is to see. */
  readonly authority: { readonly [Fact in keyof AuthorityFacts]: AuthorityFacts[Fact] | Bounds };
  /** Requests to send to the flow, with their answers; absent for a sample that has its own runner. */
  readonly exchanges?: readonly Exchange[];
  /** What the runner of its own is to find. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** A scenario folder of `samples/`. */
export interface Sample {
  /** Name of the folder, `01-client-secret-query`. */
  readonly name: string;
  readonly flows: readonly FlowNode[];
  readonly expected: Expected;
}

/**
 * All samples in the order of their numbers, read from `folder`. Throws when there are none, or
 * one expects nothing: it would pass without having run.
 */
export function readSamples(folder = join(PROJECT, 'samples')): Sample[] {
  const names = readdirSync(folder).filter((name) => /^\d\d-/.test(name));
  if (names.length === 0) throw new Error(`there is no sample in ${folder}`);
  return names.sort().map((name) => ({
    name,
    flows: readJson(join(folder, name, 'node-red.json')) as FlowNode[],
    expected: readExpected(join(folder, name, 'expected.json')),
  }));
}

function readExpected(path: string): Expected {
  const expected = readJson(path) as Expected;
  const { exchanges = [], facts = {} } = expected;
  if (exchanges.length === 0 && Object.keys(facts).length === 0) throw new Error(`${path} expects nothing`);
  return expected;
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** The connection node of `sample`. */
export function connectionOf({ name, flows }: Sample): FlowNode {
  const found = flows.find(({ type }) => type === 'pg-entra-connection');
  if (!found) throw new Error(`${name} has no connection node`);
  return found;
}

/** Kind of credential by the AuthScheme of the sample. */
function credentialKindOf(sample: Sample): 'secret' | 'certificate' {
  return connectionOf(sample)['AuthScheme'] === 'AzureServicePrincipalCert' ? 'certificate' : 'secret';
}

/** What the variables in the flows of all samples stand for. None of them is a secret. */
export function sampleEnvironment(sandbox: Sandbox): Record<string, string> {
  const dataFile = (name: string): string => join(PROJECT, 'node_modules/vega-datasets/data', name);
  return {
    PG_SERVER: sandbox.gate.host,
    PG_PORT: String(sandbox.gate.port),
    PG_DATABASE: sandbox.database,
    PG_USER: sandbox.role,
    PG_CA_FILE: sandbox.authority.caFile,
    AZURE_TENANT: sandbox.tenantDomain,
    AZURE_AUTHORITY: sandbox.authority.url,
    AZURE_CA_FILE: sandbox.authority.caFile,
    AZURE_CLIENT_ID: sandbox.clientId,
    WEATHER_CSV: dataFile('seattle-weather.csv'),
    AIRPORTS_CSV: dataFile('airports.csv'),
  };
}

/** The secrets of the connection nodes of `samples`. */
export function sampleCredentials(samples: readonly Sample[], sandbox: Sandbox): FlowCredentials {
  const { pfx, pfxPassword } = sandbox.certificates;
  const secrets = {
    secret: { OAuthClientSecret: sandbox.clientSecret },
    certificate: { OAuthJWTCert: pfx, OAuthJWTCertPassword: pfxPassword },
  };
  return Object.fromEntries(
    samples.map((sample) => [connectionOf(sample).id, secrets[credentialKindOf(sample)]]),
  );
}
