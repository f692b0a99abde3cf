import {
  ConnectorError,
  formatConnectionString,
  isConnectorError,
  parseConnectionString,
  testConnection,
  type Logger,
  type TestReport,
} from '../../index.js';
import { FORM } from './description.js';
import type { FormProperty } from './form.js';
import type { AdminRequest, AdminResponse, NodeRedApi } from './node-red-api.js';
import { CONNECTION_TYPE, connectionNode, type ConnectionNode } from './node-types.js';

/** What the editor shows, and sends back, in place of a stored secret. */
const STORED = '__PWRD__';

/** The values of a connection form that may not be deployed yet. */
interface FormValues {
  readonly id: string;
  readonly properties: Readonly<Record<string, string>>;
  /** Stop after the token: the database is not contacted. */
  readonly tokenOnly: boolean;
}

/**
 * Answers `POST /pg-entra/test`, which only editors who may write flows can send: tests the values
 * of the form and gives the TestReport. A stored secret is only ever sent where the deployed node
 * sends it.
 */
export async function answerTest(
  RED: NodeRedApi,
  request: AdminRequest,
  response: AdminResponse,
): Promise<void> {
  const values = readFormValues(request.body);
  if (isConnectorError(values)) {
    response.status(400).json({ error: factsOf(values) });
    return;
  }
  const leaving = new AbortController();
  response.on('close', () => leaving.abort());
  await testForm(RED, values, leaving.signal).then(
    (report) => response.json(report),
    () => response.status(500).json({ error: 'the test could not be run' }),
  );
}

/** The values in `body`, or why they cannot be read. */
function readFormValues(body: unknown): FormValues | ConnectorError {
  const { id, properties, tokenOnly } = (body ?? {}) as Partial<Record<keyof FormValues, unknown>>;
  if (typeof id !== 'string' || typeof properties !== 'object' || properties === null) return noForm();
  const entries = Object.entries(properties);
  if (entries.some(([, value]) => typeof value !== 'string')) return noForm();
  const strangers = entries.map(([name]) => name).filter((name) => !PROPERTY_NAMES.has(name));
  if (strangers.length > 0) return unknownNames(strangers);
  return { id, properties: Object.fromEntries(entries), tokenOnly: tokenOnly === true };
}

function noForm(): ConnectorError {
  const problems = 'The body is not JSON of the form { id, properties: { name: text }, tokenOnly? }.';
  return new ConnectorError('PROPERTY_INVALID', { problems });
}

const PROPERTY_NAMES: ReadonlySet<string> = new Set(FORM.properties.map(({ name }) => name));

// A form has one field for each property. Names that only the core would understand are refused:
// what is compared with the deployed connection must be what is tested.
function unknownNames(names: readonly string[]): ConnectorError {
  try {
    const described = names.map((name) => `${name} (did you mean ${canonicalName(name)}?)`);
    return new ConnectorError('UNKNOWN_PROPERTY', { names: described.join(', ') }, { properties: names });
  } catch (error) {
    if (isConnectorError(error)) return error;
    throw error;
  }
}

/** Name under which the core reads a property `name`: an alias, a title or another letter case. */
function canonicalName(name: string): string {
  const [canonical = name] = Object.keys(parseConnectionString(formatConnectionString({ [name]: 'x' })));
  return canonical;
}

function factsOf({ type, code, message, cure }: ConnectorError): NonNullable<StageError> {
  return { type, code, message, cure };
}

type StageError = TestReport['stages'][number]['error'];

async function testForm(
  RED: NodeRedApi,
  { id, properties, tokenOnly }: FormValues,
  signal: AbortSignal,
): Promise<TestReport> {
  const deployed = connectionNode(RED, id);
  const typed = Object.fromEntries(
    Object.entries(properties)
      .filter(([, value]) => value !== '' && value !== STORED)
      .map(([name, value]) => [name, substituted(RED, value, deployed)]),
  );
  const wanted = FORM.secretNames.filter((name) => properties[name] === STORED);
  const stored = wanted.filter((name) => deployed?.credentials[name] !== undefined);
  const changed = deployed ? changedTarget(typed, deployed.properties) : [];
  if (stored.length > 0 && changed.length > 0) return withheld(stored, changed);
  const secrets = Object.fromEntries(stored.map((name) => [name, deployed?.credentials[name]]));
  const whole = { ...(tokenOnly && NO_DATABASE), ...typed, ...secrets };
  return testConnection(whole, { signal, tokenOnly, logger: loggerOf(RED) });
}

// Values that are not deployed are tested too, so that there may be no node to log for.
function loggerOf({ log }: NodeRedApi): Logger {
  const at =
    (level: keyof Logger) =>
    (line: string): void =>
      log[level](`[${CONNECTION_TYPE}:test] ${line}`);
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
}

/** Stands in for a server and a role that are not known yet: a test of the token alone asks neither. */
const NO_DATABASE = { Server: 'localhost', User: 'nobody' };

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
  ...FORM.properties
    .filter(({ group }) => ['pooling', 'logging', 'miscellaneous'].includes(group))
    .map(({ name }) => name),
  ...['Database', 'User', 'OAuthClientId', 'OAuthClientSecretExpires'],
  ...['OAuthJWTCertType', 'OAuthJWTCertSubject', 'OAuthJWTEncryption', 'OAuthJWTSendX5C'],
  ...FORM.secretNames,
]);

/** Schemes that send what proves them to one and the same authority. */
const OF_ONE_AUTHORITY = new Set(
  FORM.properties.find(({ name }) => name === 'AzureTenant')?.['x-visibleWhen']?.['AuthScheme'],
).add('');

/**
 * Properties of the target that `typed` changes. It may use any name the core accepts, and as there
 * the last of several names for one property counts.
 */
export function changedTarget(
  typed: Readonly<Record<string, unknown>>,
  deployed: Readonly<Record<string, unknown>>,
): string[] {
  const read = Object.fromEntries(Object.entries(typed).map(([name, value]) => [canonicalName(name), value]));
  return FORM.properties
    .filter(({ name }) => !TARGET_NEUTRAL.has(name))
    .filter((property) => effective(property, read) !== effective(property, deployed))
    .map(({ name }) => name);
}

function effective(
  { name, default: otherwise }: FormProperty,
  values: Readonly<Record<string, unknown>>,
): string {
  const value = values[name] ?? otherwise ?? '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return name === 'AuthScheme' && OF_ONE_AUTHORITY.has(text) ? '' : text;
}

async function withheld(secrets: readonly string[], changed: readonly string[]): Promise<TestReport> {
  const error = factsOf(
    new ConnectorError('STORED_SECRET_WITHHELD', { names: secrets.join(', '), changed: changed.join(', ') }),
  );
  // A report that fails at its first stage, with every stage in its place.
  const { stages } = await testConnection({});
  return {
    ok: false,
    stages: stages.map((stage) => (stage.status === 'failed' ? { ...stage, error } : stage)),
  };
}
