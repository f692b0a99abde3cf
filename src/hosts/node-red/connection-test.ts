import { ConnectorError, testConnection, type TestReport } from '../../index.js';
import { PROPERTIES, SECRET_NAMES } from './form.js';
import type { NodeRedApi } from './node-red-api.js';
import { CONNECTION_TYPE, type ConnectionNode } from './node-types.js';

/** What the editor shows, and sends back, in place of a stored secret. */
const STORED = '__PWRD__';

/** The values of a connection form that may not be deployed yet. */
interface FormValues {
  readonly id: string;
  readonly properties: Readonly<Record<string, string>>;
}

/**
 * Serves `POST /pg-entra/test` to editors who may write flows: tests the values of the form and
 * answers with the TestReport. A stored secret is only ever sent where the deployed node sends it.
 */
export function serveConnectionTest(RED: NodeRedApi): void {
  RED.httpAdmin.post('/pg-entra/test', RED.auth.needsPermission('flows.write'), (request, response) => {
    const values = readFormValues(request.body);
    if (!values) {
      response.status(400).json({ error: 'expected JSON: { id, properties: { name: text } }' });
      return;
    }
    const leaving = new AbortController();
    response.on('close', () => leaving.abort());
    testForm(RED, values, leaving.signal).then(
      (report) => response.json(report),
      () => response.status(500).json({ error: 'the test could not be run' }),
    );
  });
}

function readFormValues(body: unknown): FormValues | undefined {
  const { id, properties } = (body ?? {}) as { id?: unknown; properties?: unknown };
  if (typeof id !== 'string' || typeof properties !== 'object' || properties === null) return undefined;
  const entries = Object.entries(properties);
  if (entries.some(([, value]) => typeof value !== 'string')) return undefined;
  return { id, properties: Object.fromEntries(entries) };
}

async function testForm(
  RED: NodeRedApi,
  { id, properties }: FormValues,
  signal: AbortSignal,
): Promise<TestReport> {
  const deployed = deployedConnection(RED, id);
  const typed = Object.fromEntries(
    Object.entries(properties)
      .filter(([, value]) => value !== '' && value !== STORED)
      .map(([name, value]) => [name, substituted(RED, value, deployed)]),
  );
  const wanted = SECRET_NAMES.filter((name) => properties[name] === STORED);
  const stored = wanted.filter((name) => deployed?.credentials[name] !== undefined);
  const changed = deployed ? changedTarget(typed, deployed.properties) : [];
  if (stored.length > 0 && changed.length > 0) return withheld(stored, changed);
  const secrets = Object.fromEntries(stored.map((name) => [name, deployed?.credentials[name]]));
  return testConnection({ ...typed, ...secrets }, { signal });
}

function deployedConnection(RED: NodeRedApi, id: string): ConnectionNode | undefined {
  const node = RED.nodes.getNode(id);
  return node?.type === CONNECTION_TYPE ? (node as ConnectionNode) : undefined;
}

// As Node-RED does when it deploys: the whole value is one variable, and an unknown one stays as it is.
function substituted(RED: NodeRedApi, value: string, node: ConnectionNode | undefined): string {
  if (!/^\$\{[^}]+\}$/.test(value)) return value;
  const found: unknown = RED.util.evaluateNodeProperty(value, 'env', node);
  return found === '' ? value : String(found);
}

/**
 * Properties whose change cannot make a stored secret, or a token got with it, arrive anywhere
 * else. All others are part of the target: a new property is protected until it is named here.
 */
const TARGET_NEUTRAL = new Set([
  ...PROPERTIES.filter(({ group }) => group === 'pooling' || group === 'miscellaneous').map(
    ({ name }) => name,
  ),
  ...['AuthScheme', 'Database', 'User', 'OAuthClientId', 'OAuthJWTCertType', 'OAuthJWTCertSubject'],
  ...SECRET_NAMES,
]);

function changedTarget(
  typed: Readonly<Record<string, unknown>>,
  deployed: Readonly<Record<string, unknown>>,
): string[] {
  return PROPERTIES.filter(({ name }) => !TARGET_NEUTRAL.has(name))
    .filter((property) => effective(property, typed) !== effective(property, deployed))
    .map(({ name }) => name);
}

function effective(
  { name, default: otherwise }: (typeof PROPERTIES)[number],
  values: Readonly<Record<string, unknown>>,
): string {
  const value = values[name] ?? otherwise ?? '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

async function withheld(secrets: readonly string[], changed: readonly string[]): Promise<TestReport> {
  const { type, code, message, cure } = new ConnectorError(
    'STORED_SECRET_WITHHELD',
    { names: secrets.join(', '), changed: changed.join(', ') },
    { properties: changed },
  );
  // A report that fails at its first stage, with every stage in its place.
  const { stages } = await testConnection({});
  const error = { type, code, message, cure };
  return {
    ok: false,
    stages: stages.map((stage) => (stage.status === 'failed' ? { ...stage, error } : stage)),
  };
}
