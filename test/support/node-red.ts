import { setTimeout as sleep } from 'node:timers/promises';
import { parseConnectionString } from '#src/index.js';
import type { Sandbox } from '#sandbox/index.js';
import type { FlowCredentials, FlowNode, NodeRed } from '#samples/runner/node-red.js';

/** Ids of the test flow; 16 hexadecimal digits, as Node-RED's own. */
export const IDS = {
  tab: '1a2b3c4d5e6f0001',
  connection: '1a2b3c4d5e6f0002',
  operation: '1a2b3c4d5e6f0003',
  /** Gets the messages of a sequence. */
  collector: '1a2b3c4d5e6f0004',
} as const;

/** A connection node for the client secret of `sandbox`, and its secret. */
export function connectionNode(
  sandbox: Sandbox,
  properties: Readonly<Record<string, string>> = {},
): { node: FlowNode; credentials: FlowCredentials } {
  const { OAuthClientSecret = '', ...rest } = parseConnectionString(sandbox.connections.secret);
  const node = { id: IDS.connection, type: 'pg-entra-connection', name: '', ...rest, ...properties };
  return { node, credentials: { [IDS.connection]: { OAuthClientSecret } } };
}

const text = (value: string): object => ({ type: 'str', value });

/** Properties of an operation node that selects with the parameters of the payload. */
export function selectOf(sql: string, more: object = {}): object {
  const input = { sql: text(sql), parameters: { type: 'msg', value: 'payload' } };
  return { operation: 'select', input, output: 'message', ...more };
}

// Collects a sequence and answers when it is complete.
const COLLECT = `
  const seen = flow.get(msg._msgid) || [];
  const { payload: rows, parts, topic, attributes } = msg;
  seen.push({ rows, parts, topic, attributes, complete: 'complete' in msg });
  if (!('complete' in msg)) { flow.set(msg._msgid, seen); return null; }
  flow.set(msg._msgid, undefined);
  msg.payload = seen;
  return msg;`;

/**
 * A flow that takes `POST /run`, hands the body as payload to the operation node and answers with
 * its payload, with all messages of a sequence, or with status 500 and `msg.error`.
 */
export function runFlow(connection: FlowNode, operation: object, prepare = 'return msg;'): FlowNode[] {
  const id = (index: number): string => `1a2b3c4d5e6f01${String(index).padStart(2, '0')}`;
  const node = (own: string, type: string, wires: readonly string[], more: object): FlowNode => ({
    id: own,
    type,
    z: IDS.tab,
    x: 100,
    y: 100,
    wires: [wires],
    ...more,
  });
  const isStream = (operation as { output?: string }).output === 'batches';
  const body = { outputs: 1, libs: [] };
  return [
    { id: IDS.tab, type: 'tab', label: 'test' },
    connection,
    node(id(1), 'http in', [id(2)], { url: '/run', method: 'post' }),
    node(id(2), 'function', [IDS.operation], { func: prepare, ...body }),
    node(IDS.operation, 'pg-entra-operation', [isStream ? IDS.collector : id(4)], {
      name: 'under test',
      connection: connection.id,
      ...operation,
    }),
    node(IDS.collector, 'function', [id(4)], { func: COLLECT, ...body }),
    node(id(4), 'http response', [], {}),
    node(id(5), 'catch', [id(6)], { scope: null }),
    node(id(6), 'function', [id(4)], {
      func: 'msg.payload = msg.error; msg.statusCode = 500; return msg;',
      ...body,
    }),
  ];
}

/**
 * Nodes beside those of {@link runFlow} that count, from zero at their deploy, how often the
 * operation node ended a message.
 */
export function endCounters(): FlowNode[] {
  const id = (index: number): string => `1a2b3c4d5e6f02${String(index).padStart(2, '0')}`;
  const place = { z: IDS.tab, x: 1, y: 1 };
  const counter = (own: string, name: string): FlowNode => ({
    ...place,
    id: own,
    type: 'function',
    initialize: `global.set('${name}', 0);`,
    func: `global.set('${name}', global.get('${name}') + 1); return null;`,
    outputs: 1,
    libs: [],
    wires: [[]],
  });
  // One id alone would be taken for a reference: a change of the operation would restart the node.
  const scope = [IDS.operation, IDS.tab];
  return [
    { id: id(1), type: 'complete', ...place, scope, wires: [[id(2)]] },
    counter(id(2), 'completed'),
    { id: id(3), type: 'catch', ...place, scope, wires: [[id(4)]] },
    counter(id(4), 'caught'),
  ];
}

/** How often the operation node called `done`, without and with an error; see {@link endCounters}. */
export async function endCounts(nodeRed: NodeRed): Promise<{ completed: number; caught: number }> {
  const context = await nodeRed.call('/context/global');
  const { memory } = (await context.json()) as { memory: Record<string, { msg: string }> };
  const count = (name: string): number => Number(memory[name]?.msg);
  return { completed: count('completed'), caught: count('caught') };
}

/** Answer of the flow of {@link runFlow}. */
export async function run(
  nodeRed: NodeRed,
  payload: unknown = [],
): Promise<{ status: number; answer: unknown }> {
  const response = await nodeRed.call('/run', { method: 'POST', body: payload });
  return { status: response.status, answer: await response.json() };
}

/** Sessions of the connector that PostgreSQL has now. */
export async function sessionsAt(sandbox: Sandbox, condition = 'true'): Promise<number> {
  const sql = `select count(*)::int as n from pg_stat_activity where application_name = 'pg-entra' and ${condition}`;
  const [row] = await sandbox.query<{ n: number }>(sql);
  return row?.n ?? 0;
}

/** Resolves when `condition` holds; rejects when it does not within `limitMs`. */
export async function until(condition: () => Promise<boolean>, limitMs = 5_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`still not so after ${String(limitMs)} ms`);
    await sleep(20);
  }
}
