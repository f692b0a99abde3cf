import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { startNodeRed, type NodeRed } from '#samples/runner/node-red.js';
import { PROJECT } from '#samples/runner/sample.js';
import { manifest } from '#src/index.js';
import {
  connectionNode,
  endCounters,
  endCounts,
  IDS,
  run,
  runFlow,
  selectOf,
  until,
} from '../../support/node-red.js';

interface Part {
  rows: { n: number }[] | { n: number };
  parts: { id: string; index: number; type: string; len: number; count?: number };
  attributes?: unknown;
  complete: boolean;
  topic?: string;
}

interface FlowError {
  message: string;
  code: string;
  cause: Record<string, unknown>;
  source: { type: string };
}

describe('Node-RED nodes', function () {
  this.timeout(60_000);
  let sandbox: Sandbox;
  let nodeRed: NodeRed;

  before(async () => {
    sandbox = await startSandbox();
    nodeRed = await startNodeRed({ packageFolder: PROJECT });
  });
  after(async () => {
    await nodeRed.close();
    await sandbox.close();
  });

  const deploy = async (operation: object, prepare?: string): Promise<void> => {
    const { node, credentials } = connectionNode(sandbox);
    await nodeRed.deploy(runFlow(node, operation, prepare), credentials);
  };

  /** The messages of a sequence. */
  const stream = async (payload?: unknown): Promise<Part[]> => (await run(nodeRed, payload)).answer as Part[];
  /** What a catch node got. */
  const failure = async (): Promise<FlowError> => {
    const { status, answer } = await run(nodeRed);
    expect(status).to.equal(500);
    return answer as FlowError;
  };

  it('both load without a complaint', async () => {
    const response = await nodeRed.call('/nodes', { headers: { accept: 'application/json' } });
    const sets = (await response.json()) as {
      module: string;
      types: string[];
      err?: unknown;
      enabled: boolean;
    }[];
    const ours = sets.filter(({ module }) => module === '@pg-entra/connector');
    expect(ours.flatMap(({ types }) => types)).to.have.members(['pg-entra-connection', 'pg-entra-operation']);
    expect(ours.every(({ err, enabled }) => err === undefined && enabled)).to.equal(true);
  });

  it('selects all rows into one message, with attributes', async () => {
    const { node, credentials } = connectionNode(sandbox);
    const select = selectOf('select $1::bigint as big, $2::numeric as exact');
    const flow = runFlow(node, select, 'msg.attributes = "of the input"; return msg;');
    const answerWhole = {
      func: 'msg.payload = { payload: msg.payload, attributes: msg.attributes }; return msg;',
    };
    const whole = flow.map((each) => {
      if (each.id === IDS.operation) return { ...each, wires: [[IDS.collector]] };
      return each.id === IDS.collector ? { ...each, ...answerWhole } : each;
    });
    await nodeRed.deploy(whole, credentials);
    const { status, answer } = await run(nodeRed, ['9007199254740993', '1.10']);
    expect(status).to.equal(200);
    const { payload, attributes } = answer as { payload: unknown; attributes: Record<string, unknown> };
    expect(payload).to.deep.equal([{ big: '9007199254740993', exact: '1.10' }]);
    expect(Object.keys(attributes)).to.have.members(['affectedRows', 'fields']);
    expect(attributes['affectedRows']).to.equal(1);
    const fields = attributes['fields'] as { name: string; type: string }[];
    expect(fields.map(({ name }) => name)).to.deep.equal(['big', 'exact']);
  });

  it('sends batches without attributes, also where the input has some of an earlier operation', async () => {
    await deploy(
      selectOf('select n from generate_series(1, 3) as n', { output: 'batches', batchSize: '2' }),
      'msg.attributes = { affectedRows: 7, fields: [] }; return msg;',
    );
    const answer = await stream();
    expect(answer.map(({ rows }) => rows)).to.deep.equal([[{ n: 1 }, { n: 2 }], [{ n: 3 }]]);
    for (const part of answer) expect(part).not.to.have.property('attributes');
  });

  it('sends batches as a message sequence that a join node understands', async () => {
    await deploy(
      selectOf('select n from generate_series(1, 5) as n', { output: 'batches', batchSize: '2' }),
      'msg.topic = "kept"; msg.parts = { id: "outer" }; return msg;',
    );
    const answer = await stream();
    expect(answer.map(({ rows }) => rows)).to.deep.equal([
      [{ n: 1 }, { n: 2 }],
      [{ n: 3 }, { n: 4 }],
      [{ n: 5 }],
    ]);
    expect(answer.map(({ parts }) => [parts.index, parts.type, parts.len, parts.count])).to.deep.equal([
      [0, 'array', 2, undefined],
      [1, 'array', 2, undefined],
      [2, 'array', 2, 3],
    ]);
    expect(new Set(answer.map(({ parts }) => parts.id)).size).to.equal(1);
    expect(answer.map(({ complete }) => complete)).to.deep.equal([false, false, true]);
    expect(answer.every(({ topic }) => topic === 'kept')).to.equal(true);
  });

  for (const batchSize of ['1', '2', '5', '7']) {
    it(`is put together again by a join node, with batches of ${batchSize}`, async () => {
      const { node, credentials } = connectionNode(sandbox);
      const select = selectOf('select n from generate_series(1, 5) as n', { output: 'batches', batchSize });
      const flow = runFlow(node, select, 'msg.complete = true; return msg;');
      const join = { type: 'join', mode: 'auto', accumulate: false, func: undefined };
      const joined = flow.map((each) => (each.id === IDS.collector ? { ...each, ...join } : each));
      await nodeRed.deploy(joined, credentials);
      const { answer } = await run(nodeRed);
      expect(answer).to.deep.equal([1, 2, 3, 4, 5].map((n) => ({ n })));
    });
  }

  it('ends each message once, in success and in failure', async () => {
    const { node, credentials } = connectionNode(sandbox);
    const flow = runFlow(node, selectOf('select 10 / $1::int as n'));
    await nodeRed.deploy([...flow, ...endCounters()], credentials);
    const divisors = [1, 0, 2, 0, 5];
    await Promise.all(divisors.map((divisor) => run(nodeRed, [divisor])));
    expect(await endCounts(nodeRed)).to.deep.equal({ completed: 3, caught: 2 });
  });

  it('sends one complete, empty message for no rows, and the row itself with batch size 1', async () => {
    await deploy(selectOf('select 1 as n where false', { output: 'batches', batchSize: '10' }));
    const empty = await stream();
    expect(empty).to.have.length(1);
    expect(empty[0]).to.deep.include({ rows: [], complete: true });
    expect(empty[0]?.parts).to.include({ index: 0, count: 1 });

    await deploy(selectOf('select n from generate_series(1, 2) as n', { output: 'batches', batchSize: '1' }));
    const single = await stream();
    expect(single.map(({ rows }) => rows)).to.deep.equal([{ n: 1 }, { n: 2 }]);
  });

  it('keeps four streams through one node apart', async () => {
    await deploy(
      selectOf('select $1::int * 100000 + n as n from generate_series(1, 5000) as n', {
        output: 'batches',
        batchSize: '400',
      }),
    );
    const answers = await Promise.all([1, 2, 3, 4].map((number) => stream([number])));
    answers.forEach((answer, index) => {
      const numbers = answer.flatMap(({ rows }) => rows as { n: number }[]).map(({ n }) => n);
      const expected = Array.from({ length: 5_000 }, (_, at) => (index + 1) * 100_000 + at + 1);
      expect(numbers).to.deep.equal(expected);
      expect(answer).to.have.length(13);
      expect(answer.map(({ parts }) => parts.index)).to.deep.equal([...answer.keys()]);
      expect(answer.at(-1)?.parts.count).to.equal(13);
    });
    const ids = answers.flatMap((answer) => answer.map(({ parts }) => parts.id));
    expect(new Set(ids).size).to.equal(4);
  });

  it('H-08 gives a catch node the code, and type and cure as plain data', async () => {
    await deploy(selectOf('select from where'));
    const answer = await failure();
    expect(answer.code).to.equal('SYNTAX_ERROR');
    expect(answer.cause).to.include({
      type: 'POSTGRESQL:BAD_SQL_SYNTAX',
      code: 'SYNTAX_ERROR',
      sqlState: '42601',
    });
    expect(answer.cause['cure']).to.be.a('string').that.is.not.empty;
    expect(answer.message).to.match(/^POSTGRESQL:BAD_SQL_SYNTAX: /);
    expect(answer.source.type).to.equal('pg-entra-operation');
  });

  it('H-09 takes neither connection nor statement from a message that offers them', async () => {
    await deploy(
      selectOf('select 1 as chosen'),
      `Object.assign(msg, { sql: 'select 2 as chosen', operation: 'execute', connection: 'x', Server: 'elsewhere.example',
         host: 'elsewhere.example', input: { sql: 'select 3' }, OAuthClientSecret: 'x', UseSSL: 'false' }); return msg;`,
    );
    expect(await run(nodeRed)).to.deep.equal({ status: 200, answer: [{ chosen: 1 }] });
  });

  it('says which input could not be read', async () => {
    const input = { sql: { type: 'str', value: 'select 1' }, parameters: { type: 'json', value: '[1' } };
    await deploy({ operation: 'select', input, output: 'message' });
    const answer = await failure();
    expect(answer.code).to.equal('OPERATION_INPUT_INVALID');
    expect(answer.message).to.contain('Parameters:');
  });

  it('says that the node it names as its connection is none', async () => {
    const { node, credentials } = connectionNode(sandbox);
    const flow = runFlow(node, { ...selectOf('select 1'), connection: IDS.collector });
    await nodeRed.deploy(flow, credentials);
    const answer = await failure();
    expect(answer.code).to.equal('PROPERTY_INVALID');
    expect(answer.cause).to.deep.include({ type: 'POSTGRESQL:SETTINGS', properties: ['Connection'] });
    expect(answer.message).to.contain(IDS.collector);
  });

  it('works without a new deploy once a file that was missing is there', async () => {
    const caFile = join(nodeRed.userDirectory, 'ca-that-comes-later.pem');
    const { node, credentials } = connectionNode(sandbox, { SSLCA: caFile });
    await nodeRed.deploy(runFlow(node, selectOf('select 1 as one')), credentials);
    expect((await failure()).code).to.equal('PROPERTY_FILE_UNREADABLE');
    copyFileSync(sandbox.authority.caFile, caFile);
    expect(await run(nodeRed)).to.deep.equal({ status: 200, answer: [{ one: 1 }] });
  });

  it('the runner waits for an answer no longer than its limit', async () => {
    await deploy(selectOf('select 1'), 'return null;');
    const call = nodeRed.call('/run', { method: 'POST', body: [], limitMs: 50 });
    const problem = await call.then(
      () => undefined,
      (error: unknown) => (error as Error).message,
    );
    expect(problem).to.equal('POST /run was not answered within 0.05 s');
  });

  it('logs in when it is deployed, if ConnectOnOpen says so', async () => {
    const { node, credentials } = connectionNode(sandbox, { ConnectOnOpen: 'true' });
    sandbox.control.clearLogins();
    await nodeRed.deploy(runFlow(node, selectOf('select 1 as one')), credentials);
    await until(() => Promise.resolve(sandbox.control.logins().length === 1));
    expect(await run(nodeRed)).to.deep.equal({ status: 200, answer: [{ one: 1 }] });
    expect(sandbox.control.logins()).to.have.length(1);
  });

  it('says why a login of ConnectOnOpen failed, and the flow goes on', async () => {
    const { node, credentials } = connectionNode(sandbox, { ConnectOnOpen: 'true', Database: 'nowhere' });
    await nodeRed.deploy(runFlow(node, selectOf('select 1 as one')), credentials);
    const error = /\[error\] \[pg-entra-connection:.*nowhere/;
    await until(() => Promise.resolve(error.test(nodeRed.output())));
    expect((await failure()).code).to.equal('DATABASE_UNKNOWN');
  });

  it('H-19 names the missing credential when a flow came without it', async () => {
    const { node } = connectionNode(sandbox);
    await nodeRed.deploy(runFlow(node, selectOf('select 1')), {
      [IDS.connection]: { OAuthClientSecret: '' },
    });
    const answer = await failure();
    expect(answer.code).to.equal('PROPERTIES_MISSING');
    expect(answer.cause).to.deep.include({ type: 'POSTGRESQL:SETTINGS', properties: ['OAuthClientSecret'] });
  });

  it('H-19 names the variable that a property wants and nothing sets', async () => {
    const { node } = connectionNode(sandbox);
    await nodeRed.deploy(runFlow({ ...node, User: '${NO_SUCH_VARIABLE}' }, selectOf('select 1')), {
      [IDS.connection]: { OAuthClientSecret: sandbox.clientSecret },
    });
    const answer = await failure();
    expect(answer.code).to.equal('PROPERTY_VARIABLE_MISSING');
    expect(answer.message).to.contain('NO_SUCH_VARIABLE').and.to.contain('User');
  });

  it('X-05 shows a secret nowhere: not in flows, credentials, files, the log or an error', async () => {
    const { node } = connectionNode(sandbox);
    const canary = 'canary-7f3a91c2-secret';
    const flow = runFlow(node, selectOf('select 1'));
    await nodeRed.deploy(flow, { [IDS.connection]: { OAuthClientSecret: canary } });
    const answer = await failure();
    expect(answer.code).to.equal('WRONG_CLIENT_SECRET');

    const credentials = await nodeRed.call(`/credentials/pg-entra-connection/${IDS.connection}`);
    const secrets = Object.entries(manifest().connectionSpecification.properties)
      .filter(([, schema]) => schema['airbyte_secret'] === true)
      .map(([name]) => [`has_${name}`, name === 'OAuthClientSecret']);
    expect(await credentials.json()).to.deep.equal(Object.fromEntries(secrets));
    const flows = await (await nodeRed.call('/flows')).text();
    const files = readdirSync(nodeRed.userDirectory, { withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    expect(files.map(({ name }) => name)).to.include.members(['flows.json', 'flows_cred.json']);
    const contents = files.map(({ name }) => readFileSync(join(nodeRed.userDirectory, name), 'utf8'));
    for (const place of [flows, nodeRed.output(), JSON.stringify(answer), ...contents]) {
      expect(place).not.to.contain(canary);
    }
  });
});
