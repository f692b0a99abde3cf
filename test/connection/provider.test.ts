import { expect } from 'chai';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { Connector, Session } from '#src/index.js';
import { failure } from '../support/failure.js';
import { untilTrue, useSandbox } from '../support/use-sandbox.js';

describe('provider', function () {
  this.timeout(20_000);
  const use = useSandbox();
  const read = { text: 'select pg_backend_pid() as id', values: [] };

  const idOf = async (session: Session) =>
    (await session.all(read, { writes: false })).rows[0]?.['id'] as number;

  async function terminate(session: Session): Promise<void> {
    await use.sandbox.query('select pg_terminate_backend($1)', [session.id]);
    await untilTrue(() => !session.usable);
  }

  async function backends(): Promise<number> {
    const sql = 'select 1 from pg_stat_activity where usename = $1';
    return (await use.sandbox.query(sql, [use.sandbox.role])).length;
  }

  describe('cached use: one session, validated before it is used again', () => {
    /** What a host does that keeps one connection for a configuration. */
    class OneSession {
      readonly #connector: Connector;
      #kept: Session | undefined;
      readonly reasons: string[] = [];

      constructor(connector: Connector) {
        this.#connector = connector;
      }

      async get(): Promise<Session> {
        const { provider } = this.#connector;
        if (this.#kept) {
          const verdict = await provider.validate(this.#kept);
          if (verdict.valid) return this.#kept;
          this.reasons.push(verdict.error.code);
          await provider.disconnect(this.#kept);
        }
        this.#kept = await provider.connect();
        return this.#kept;
      }
    }

    it('B-01 keeps the session while it answers, and replaces it when it is gone', async () => {
      const cache = new OneSession(use.connect());
      const first = await cache.get();
      const id = await idOf(first);
      expect(await idOf(await cache.get())).to.equal(id);
      await terminate(first);
      expect(await idOf(await cache.get())).not.to.equal(id);
      expect(cache.reasons).to.deep.equal(['SERVER_STARTING']);
      expect(await backends()).to.equal(1);
    });

    it('B-11 replaces a session that stands in a transaction, failed or not', async () => {
      const cache = new OneSession(use.connect());
      for (const statements of [['begin'], ['begin', 'select 1 / 0']]) {
        const session = await cache.get();
        for (const text of statements)
          await session.all({ text, values: [] }, { writes: false }).catch(() => undefined);
        expect(await cache.get()).not.to.equal(session);
      }
      expect(cache.reasons).to.deep.equal(['SESSION_IN_TRANSACTION', 'SESSION_IN_TRANSACTION']);
    });
  });

  describe('pooling use: sessions lent to one flow at a time', () => {
    it('B-03 lends what is idle and valid, and opens what is missing', async () => {
      const { provider } = use.connect();
      const idle: Session[] = [];
      const borrow = async (): Promise<Session> => {
        for (let session = idle.pop(); session; session = idle.pop()) {
          if ((await provider.validate(session)).valid) return session;
          await provider.disconnect(session);
        }
        return provider.connect();
      };
      const round = () =>
        Promise.all(
          Array.from({ length: 3 }, async () => {
            const session = await borrow();
            const id = await idOf(session);
            idle.push(session);
            return id;
          }),
        );
      const ids = await round();
      expect(new Set(ids).size).to.equal(3);
      await terminate(idle[0]!);
      const again = await round();
      expect(again.filter((id) => ids.includes(id))).to.have.length(2);
      expect(await backends()).to.equal(3);
    });
  });

  it('B-19 tells a session whose server is silent within Timeout, and never throws', async () => {
    const { port, freeze, close } = await relayTo(use.sandbox.gate.port);
    const { provider } = use.connect({ Port: String(port), Timeout: '3' });
    try {
      const session = await provider.connect();
      freeze();
      const startedAt = performance.now();
      const verdict = await provider.validate(session);
      expect(performance.now() - startedAt).to.be.within(2_900, 4_000);
      expect(verdict).to.have.nested.property('error.code', 'OPERATION_TIMEOUT');
      expect(await provider.validate(session)).to.have.property('valid', false);
      await provider.disconnect(session);
    } finally {
      await close();
    }
  });

  it('disconnect is idempotent, also for a session that is broken', async () => {
    const { provider } = use.connect();
    const [whole, broken] = [await provider.connect(), await provider.connect()];
    await terminate(broken);
    for (const session of [whole, broken, whole, broken]) await provider.disconnect(session);
    for (const session of [whole, broken])
      expect(await provider.validate(session)).to.have.property('valid', false);
    await untilTrue(async () => (await backends()) === 0);
  });

  it('B-17 connect ends with its signal', async () => {
    use.sandbox.control.addFaults({ action: 'hang', times: 'always' });
    const { provider } = use.connect();
    const leaving = new AbortController();
    const connecting = provider.connect({ signal: leaving.signal });
    leaving.abort();
    await failure(connecting, 'POSTGRESQL:CANCELLED', 'CANCELLED');
    await failure(provider.connect({ signal: leaving.signal }), 'POSTGRESQL:CANCELLED', 'CANCELLED');
  });

  it('B-18 ends with its connector: what is open, and what is opening', async () => {
    const connector = use.connect();
    const session = await connector.provider.connect();
    use.sandbox.control.revoke('all');
    use.sandbox.control.addFaults({ action: 'hang', times: 'always' });
    const opening = failure(connector.provider.connect(), 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
    await connector.close();
    await opening;
    expect(await connector.provider.validate(session)).to.have.nested.property(
      'error.code',
      'CONNECTOR_CLOSED',
    );
    await failure(connector.provider.connect(), 'POSTGRESQL:SETTINGS', 'CONNECTOR_CLOSED');
    await untilTrue(async () => (await backends()) === 0);
  });
});

/** A relay to a port of this machine that can fall silent: what then arrives goes nowhere. */
async function relayTo(target: number) {
  const { connect } = await import('node:net');
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('error', () => to.destroy()).on('close', () => to.destroy());
      from.pipe(to);
      sockets.push(from);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    freeze: () => {
      for (const socket of sockets) socket.unpipe();
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
