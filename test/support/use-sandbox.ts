import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { systemClock } from '#src/clock.js';
import { createConnector, type Connector, type ConnectorOptions } from '#src/connector.js';
import { parseConnectionString } from '#src/settings/connection-string.js';

/** The sandbox of one test file, and connectors that end with the test that made them. */
export interface SandboxInUse {
  /** Running from `before` to `after`; as at its start at the beginning of each test. */
  readonly sandbox: Sandbox;
  /** A connector by client secret, with `changes` to its properties; with a pool of its own unless `options` give a clock. */
  readonly connect: (changes?: Record<string, string>, options?: ConnectorOptions) => Connector;
  /** Properties of a ready-made connection, with `changes`. */
  properties(changes?: Record<string, string>, from?: keyof Sandbox['connections']): Record<string, string>;
}

/** Registers hooks that start, reset and end a sandbox; call it in a `describe`. */
export function useSandbox(options: Parameters<typeof startSandbox>[0] = {}): SandboxInUse {
  let running: Sandbox | undefined;
  const open: Connector[] = [];

  before(async function () {
    this.timeout(60_000);
    running = await startSandbox(options);
  });
  after(() => running?.close());
  beforeEach(() => running?.control.reset());
  afterEach(async () => {
    await Promise.all(open.splice(0).map((connector) => connector.close()));
  });

  const inUse: SandboxInUse = {
    get sandbox() {
      if (!running) throw new Error('the sandbox runs only within tests');
      return running;
    },
    properties: (changes = {}, from = 'secret') => ({
      ...parseConnectionString(inUse.sandbox.connections[from] ?? ''),
      ...changes,
    }),
    connect(changes, connectorOptions) {
      // Another clock object means another pool: what one connector of a test did is no matter to the next.
      const own = { clock: { ...systemClock }, ...connectorOptions };
      const connector = createConnector(inUse.properties(changes), own);
      open.push(connector);
      return connector;
    },
  };
  return inUse;
}

/** A sandbox and one connector by client secret that serves all tests of a `describe`. */
export interface ConnectorInUse {
  readonly sandbox: Sandbox;
  readonly connector: Connector;
}

/** Registers hooks that start and end both; `changes` go to the connector's properties. */
export function useConnector(changes: Record<string, string> = {}): ConnectorInUse {
  let connector: Connector | undefined;
  after(() => connector?.close()); // before the sandbox under it
  const use = useSandbox();
  before(() => {
    connector = createConnector(use.properties(changes));
  });
  return {
    get sandbox() {
      return use.sandbox;
    },
    get connector() {
      if (!connector) throw new Error('the connector is there only within tests');
      return connector;
    },
  };
}

/** Asks again, turn by turn of the event loop, until `holds`; mocha's own limit ends it. */
export async function untilTrue(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}
