import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { startNodeRed, type NodeRed } from '#samples/runner/node-red.js';
import { PROJECT } from '#samples/runner/sample.js';
import {
  connectionNode,
  endCounters,
  endCounts,
  IDS,
  run,
  runFlow,
  selectOf,
  sessionsAt,
  until,
} from '../../support/node-red.js';

describe('Node-RED nodes over time', function () {
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

  const deploy = async (sql: string, properties: Record<string, string> = {}): Promise<void> => {
    const { node, credentials } = connectionNode(sandbox, properties);
    await nodeRed.deploy(runFlow(node, selectOf(sql)), credentials);
  };
  const sleeping = (condition = "state = 'active'"): Promise<number> =>
    sessionsAt(sandbox, `query like '%pg_sleep(30)%' and ${condition}`);
  const openFiles = (): number =>
    process.platform === 'linux' ? readdirSync(`/proc/${String(nodeRed.pid)}/fd`).length : 0;

  it('H-18 start without the authority, say so, and work once it is there', async () => {
    sandbox.control.addFaults({ action: 'reset', kind: 'any', times: 'always' });
    await deploy('select 1 as one');
    const { status, answer } = await run(nodeRed);
    expect(status).to.equal(500);
    expect(answer).to.include({ code: 'AUTHORITY_UNREACHABLE' });
    sandbox.control.clearFaults();
    await until(async () => (await run(nodeRed)).status === 200, 10_000);
  });

  it('H-02 ten deploys leave one session at most and no growth', async () => {
    const warm = async (round: number): Promise<void> => {
      await deploy('select 1 as one', { Timeout: String(20 + round) });
      expect((await run(nodeRed)).status).to.equal(200);
    };
    await warm(0);
    await warm(1);
    await until(async () => (await sessionsAt(sandbox)) <= 1);
    const before = openFiles();
    for (let round = 2; round < 12; round += 1) await warm(round);
    await until(async () => (await sessionsAt(sandbox)) <= 1);
    expect(openFiles()).to.be.at.most(before + 2);
    expect(nodeRed.output()).not.to.contain('MaxListeners');
  });

  it('H-01 H-05 a deploy cancels what runs, at the server too, and ends its message once', async () => {
    const { node, credentials } = connectionNode(sandbox);
    const flow = [...runFlow(node, selectOf('select pg_sleep(30)')), ...endCounters()];
    await nodeRed.deploy(flow, credentials);
    const ended = run(nodeRed);
    await until(async () => (await sleeping()) === 1);

    // Only the operation is replaced: the nodes that tell about its end stay.
    const changed = flow.map((each) => (each.id === IDS.operation ? { ...each, name: 'replaced' } : each));
    await nodeRed.deploy(changed, {}, 'nodes');
    await until(async () => (await sleeping()) === 0);
    const { status, answer } = await ended;
    expect(status).to.equal(500);
    expect(answer).to.include({ code: 'CANCELLED' });
    await until(async () => (await endCounts(nodeRed)).caught > 0);
    expect(await endCounts(nodeRed)).to.deep.equal({ completed: 0, caught: 1 });
  });

  it('H-01 a deploy of all flows cancels what runs, at the server too', async () => {
    await deploy('select pg_sleep(30)');
    // Nobody is left to answer it: the node that holds the response is stopped too.
    run(nodeRed).catch(() => undefined);
    await until(async () => (await sleeping()) === 1);
    await deploy('select 1 as one');
    await until(async () => (await sleeping()) === 0);
    expect((await run(nodeRed)).status).to.equal(200);
  });

  it('H-03 a changed connection replaces the old one', async () => {
    await deploy("select current_setting('application_name') as name", { ApplicationName: 'first' });
    expect((await run(nodeRed)).answer).to.deep.equal([{ name: 'first' }]);
    await deploy("select current_setting('application_name') as name", { ApplicationName: 'second' });
    expect((await run(nodeRed)).answer).to.deep.equal([{ name: 'second' }]);
    const names = async (): Promise<unknown> =>
      sandbox.query(
        "select application_name from pg_stat_activity where application_name in ('first', 'second')",
      );
    await until(async () => JSON.stringify(await names()) === '[{"application_name":"second"}]');
  });
});
