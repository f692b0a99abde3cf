import { expect } from 'chai';
import { nodeError } from '#src/hosts/node-red/node-error.js';
import type { NodeRedApi, RuntimeNode } from '#src/hosts/node-red/node-red-api.js';
import register from '#src/hosts/node-red/operation.js';
import { ConnectorError } from '#src/index.js';

/** Status line of an operation node after it was deployed, where the id of its connection leads to `found`. */
async function statusAtDeploy(connection: string, found: object | null): Promise<unknown> {
  let shown: unknown;
  const node = {
    on: () => undefined,
    status: (status: { text: string }) => {
      shown = status;
    },
  } as unknown as RuntimeNode;
  const definition = { id: '1', type: 'pg-entra-operation', connection, operation: 'select' };
  register({
    nodes: {
      registerType: (_type: string, constructor: (this: RuntimeNode, own: typeof definition) => void) =>
        constructor.call(node, definition),
      createNode: () => undefined,
      getNode: () => found,
    },
  } as unknown as NodeRedApi);
  await new Promise((resolve) => setImmediate(resolve));
  return shown;
}

describe('Node-RED operation node, when it is deployed', () => {
  // The node loads it when it is deployed; from here on that takes no time.
  before(() => import('#src/hosts/node-red/operation-runner.js'));

  const red = (text: string): object => ({ fill: 'red', shape: 'ring', text });
  const failing = (error: Error): object => ({
    type: 'pg-entra-connection',
    connector: () => Promise.reject(error),
  });
  const usable = (ready: () => Promise<void>): object => ({
    type: 'pg-entra-connection',
    connector: () => Promise.resolve({ ready }),
  });

  it('shows nothing with a connection that can be used', async () => {
    expect(
      await statusAtDeploy(
        'a',
        usable(() => Promise.resolve()),
      ),
    ).to.equal(undefined);
  });

  it('shows why the login failed that ConnectOnOpen asked for', async () => {
    const refused = new ConnectorError('WRONG_CLIENT_SECRET', {});
    expect(
      await statusAtDeploy(
        'a',
        usable(() => Promise.reject(refused)),
      ),
    ).to.deep.equal(red('WRONG_CLIENT_SECRET'));
  });

  it('H-19 shows the code of what is wrong with the settings of its connection', async () => {
    const error = new ConnectorError('PROPERTIES_MISSING', { names: 'Server' });
    expect(await statusAtDeploy('a', failing(error))).to.deep.equal(red('PROPERTIES_MISSING'));
    expect(await statusAtDeploy('a', failing(new TypeError('x')))).to.deep.equal(red('INTERNAL'));
  });

  it('shows that no connection is chosen, or that the chosen one is not there', async () => {
    expect(await statusAtDeploy('', null)).to.deep.equal(red('PROPERTIES_MISSING'));
    expect(await statusAtDeploy('a', null)).to.deep.equal(red('PROPERTY_INVALID'));
  });

  it('shows that its connection is a node of another type', async () => {
    expect(await statusAtDeploy('a', { type: 'inject' })).to.deep.equal(red('PROPERTY_INVALID'));
    expect(await statusAtDeploy('a', { type: 'mqtt-broker', connector: () => ({}) })).to.deep.equal(
      red('PROPERTY_INVALID'),
    );
  });
});

describe('Node-RED error of a node', () => {
  const cure = 'Correct the named properties.';
  for (const [message, shown] of [
    ['relation "x" does not exist', `relation "x" does not exist. ${cure}`],
    ['Port must be a number.', `Port must be a number. ${cure}`],
    ['is it there?', `is it there? ${cure}`],
  ] as const) {
    it(`is printed with one full stop between "${message}" and the cure`, () => {
      const error = nodeError(new ConnectorError('PROPERTY_INVALID', { problems: message }));
      expect(error.message).to.satisfy((text: string) => text.startsWith(shown));
      expect(error.cause).to.include({ message });
    });
  }
});
