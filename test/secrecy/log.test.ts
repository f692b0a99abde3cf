import { spawn } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { fetch } from 'undici';
import { createConnector, formatConnectionString, type ConnectorOptions } from '#src/index.js';
import { EVENTS } from '#src/event-table.js';
import { expectNoCanary } from '../support/canary.js';
import { recordingLogger } from '../support/log.js';
import { useSandbox } from '../support/use-sandbox.js';

/** Values that a flow sends: personal data, say. */
const VALUE = 'cAnArY-value-9f3kQ8x';

describe('secrecy of the log', () => {
  const use = useSandbox();

  /** Passes requests on, and remembers each secret that was sent and each token that came. */
  function tappedFetch(secrets: Set<string>): NonNullable<ConnectorOptions['fetch']> {
    return async (url, init) => {
      const form = new URLSearchParams(typeof init?.body === 'string' ? init.body : '');
      for (const name of ['client_secret', 'client_assertion']) {
        const value = form.get(name);
        if (value !== null) secrets.add(value);
      }
      const response = await fetch(url, init);
      const { access_token: token } = (await response.clone().json()) as { access_token?: string };
      if (token !== undefined) secrets.add(token);
      return response;
    };
  }

  /** Everything that `work` leaves on the channels of diagnostics. */
  async function published(work: () => Promise<void>): Promise<string[]> {
    const seen: string[] = [];
    const remember = (message: unknown, name: string | symbol): void => {
      seen.push(`${String(name)} ${JSON.stringify(message)}`);
    };
    const names = Object.keys(EVENTS).map((name) => `pg-entra:${name}`);
    for (const name of names) subscribe(name, remember);
    try {
      await work();
    } finally {
      for (const name of names) unsubscribe(name, remember);
    }
    return seen;
  }

  /** Everything that `work` prints. */
  async function printed(work: () => Promise<unknown>): Promise<string[]> {
    const seen: string[] = [];
    const streams = [process.stdout, process.stderr];
    const originals = streams.map((stream) => stream.write.bind(stream));
    for (const stream of streams) {
      stream.write = (chunk: string | Uint8Array): boolean => {
        seen.push(Buffer.from(chunk).toString());
        return true;
      };
    }
    try {
      await work();
    } finally {
      for (const [index, stream] of streams.entries()) {
        const original = originals[index];
        if (original) stream.write = original;
      }
    }
    return seen;
  }

  for (const from of ['secret', 'certificatePem', 'certificatePfx'] as const) {
    it(`X-01 X-12 holds nothing of ${from}, of the token, of values, through success and failure`, async () => {
      const secrets = new Set([VALUE, use.sandbox.clientSecret, use.sandbox.certificates.pfxPassword]);
      const logger = recordingLogger();
      const connector = createConnector(use.properties({}, from), { logger, fetch: tappedFetch(secrets) });
      const run = async (sql: string): Promise<unknown> =>
        connector.execute('select', { sql, parameters: [VALUE] }).catch((error: unknown) => error);

      const prints: string[] = [];
      const events = await published(async () => {
        prints.push(
          ...(await printed(async () => {
            await run('select $1::text as value');
            await run(`select '${VALUE}' as value, $1 from`);
            await run(`select cast($1 as integer)`);
            use.sandbox.control.revoke('all');
            use.sandbox.control.dropSessions();
            await run('select $1::text as value');
            const echoed = await use.sandbox.control.issueToken();
            secrets.add(echoed);
            use.sandbox.control.refuseLogins(2, { sqlState: '28000', message: `not with ${echoed}` });
            use.sandbox.control.dropSessions();
            await run('select $1::text as value');
            await connector.test();
            await connector.close();
          })),
        );
      });

      expect(prints).to.deep.equal([]);
      expect(logger.lines.length).to.be.greaterThan(10);
      expect(secrets.size).to.be.greaterThan(5);
      expectNoCanary([...logger.lines, ...events], secrets);
    });
  }

  it('X-10 prints nothing of its own while Node.js debugs, and gives Node.js no secret to print', async () => {
    const script = `
      import { createConnector } from '#src/index.js';
      const connector = createConnector(process.env.PG_ENTRA_CONNECTION);
      await connector.execute('select', { sql: 'select $1::text as value', parameters: ['${VALUE}'] });
      await connector.close();
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      env: {
        ...process.env,
        NODE_DEBUG: 'http,https,undici,fetch,tls,net,stream',
        PG_ENTRA_CONNECTION: formatConnectionString(use.properties()),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const closed = once(child, 'close');
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    await closed;
    expect({ out, exitCode: child.exitCode }).to.deep.equal({ out: '', exitCode: 0 });
    expect(err, 'the trace of Node.js').to.include('secureConnect');
    expectNoCanary([err], [use.sandbox.clientSecret, VALUE]);
    expect(err).not.to.match(/eyJ[\w-]{10}/);
  });
});
