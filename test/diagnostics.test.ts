import { expect } from 'chai';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDiagnostics, type LogSettings } from '#src/diagnostics.js';
import { EVENTS, LEVELS, MODULES, VERBOSITIES, type EventName, type Verbosity } from '#src/event-table.js';
import { FakeClock } from './support/fake-clock.js';
import { useFolder } from './support/folder.js';
import { recordingLogger } from './support/log.js';

const NAMES = Object.keys(EVENTS) as EventName[];

const fieldsOf = (name: EventName): string[] =>
  [...EVENTS[name].text.matchAll(/\{(\w+)\}/g)].map(([, field = '']) => field);

/** Fields of any event, each saying its own name. */
const anyFields = (name: EventName): never =>
  Object.fromEntries(fieldsOf(name).map((field) => [field, `<${field}>`])) as never;

describe('the table of events', () => {
  for (const name of NAMES) {
    it(`${name} is a line of words with a verbosity, a module and a level`, () => {
      const { level, text, module, verbosity } = EVENTS[name];
      expect(name).to.match(/^[a-z]+\.[a-z]+$/);
      expect(LEVELS).to.include(level);
      expect(MODULES).to.have.property(module);
      expect(VERBOSITIES).to.have.property(String(verbosity));
      expect(text.replace(/\{[a-zA-Z]+\}/g, '')).not.to.match(/[{}\n]/);
    });
  }

  it('has every verbosity and every module in use', () => {
    const used = Object.values(EVENTS);
    expect([...new Set(used.map(({ verbosity }) => String(verbosity)))]).to.have.members(
      Object.keys(VERBOSITIES),
    );
    expect([...new Set(used.map(({ module }) => module))]).to.have.members(Object.keys(MODULES));
  });

  it('says at verbosity 1 whatever warns', () => {
    for (const { level, verbosity } of Object.values(EVENTS))
      if (level !== 'debug' && level !== 'info') expect(verbosity).to.equal(1);
  });

  it('has no field for what is secret', () => {
    const fields = NAMES.flatMap(fieldsOf);
    expect(fields).not.to.be.empty;
    for (const field of fields)
      expect(field).not.to.match(/^(secret|token|password|assertion|sql|values?|parameters?|row|body)$/i);
  });
});

describe('diagnostics', () => {
  it('writes name and filled text at the level of the event', () => {
    const logger = recordingLogger();
    const diagnostics = createDiagnostics({ logger });
    diagnostics.report('session.closed', { id: 7, reason: 'idle' });
    diagnostics.report('settings.warning', { text: 'Port is given more than once.' });
    expect(logger.lines).to.deep.equal([
      'debug session.closed: session 7 closed: idle',
      'warn settings.warning: Port is given more than once.',
    ]);
  });

  it('P-10 keeps every event on one line: no forged entries', () => {
    const logger = recordingLogger();
    createDiagnostics({ logger }).report('certificate.loaded', {
      subject: 'CN=x\n2026 info token.obtained\u202e',
      validTo: '{subject}',
    });
    expect(logger.lines).to.deep.equal([
      'info certificate.loaded: certificate CN=x\\u000a2026 info token.obtained\\u202e loaded, valid until {subject}',
    ]);
  });

  it('gives subscribers of the channel the fields as an object', () => {
    const seen: unknown[] = [];
    const remember = (message: unknown): void => {
      seen.push(message);
    };
    subscribe('pg-entra:session.closed', remember);
    createDiagnostics().report('session.closed', { id: 1, reason: 'idle' });
    unsubscribe('pg-entra:session.closed', remember);
    createDiagnostics().report('session.closed', { id: 2, reason: 'idle' });
    expect(seen).to.deep.equal([{ id: 1, reason: 'idle' }]);
  });

  it('survives a logger that throws or lacks a level', () => {
    const broken = () => {
      throw new Error('disk full');
    };
    for (const logger of [{ ...recordingLogger(), debug: broken }, {} as never])
      expect(() =>
        createDiagnostics({ logger }).report('session.closed', { id: 1, reason: 'x' }),
      ).not.to.throw();
  });

  it('X-01 gives subscribers of the channel no token that foreign text holds', () => {
    const token = `eyJ${'abcdefgh'.repeat(8)}.payload.signature`;
    const seen: unknown[] = [];
    const remember = (message: unknown): void => {
      seen.push(message);
    };
    subscribe('pg-entra:login.failed', remember);
    createDiagnostics().report('login.failed', { code: 'X', message: `not accepted: ${token}\n` });
    unsubscribe('pg-entra:login.failed', remember);
    expect(seen).to.deep.equal([{ code: 'X', message: 'not accepted: ***\\u000a' }]);
  });

  const folder = useFolder();

  const logSettings = (changes: Partial<LogSettings> = {}): LogSettings => ({
    file: folder.path('flow.log'),
    verbosity: 5,
    isVerbosityGiven: true,
    modules: [],
    maxFileBytes: 1_000_000,
    maxFiles: -1,
    ...changes,
  });

  it('F-06 does not write into a file that holds something else, nor change its mode', async () => {
    const file = folder.path('conf.yaml');
    writeFileSync(file, 'important: yes, for others too\n', { mode: 0o644 });
    const seen: unknown[] = [];
    const remember = (message: unknown): void => {
      seen.push(message);
    };
    subscribe('pg-entra:log.failed', remember);
    const diagnostics = createDiagnostics({ log: logSettings({ file }) });
    diagnostics.report('settings.warning', { text: 'x' });
    await diagnostics.close();
    unsubscribe('pg-entra:log.failed', remember);
    expect(JSON.stringify(seen)).to.include('something else than a log');
    expect(readFileSync(file, 'utf8')).to.equal('important: yes, for others too\n');
    expect(statSync(file).mode & 0o777).to.equal(0o644);
  });

  /** Names of the events that get through, of all that there are. */
  async function throughFile(changes: Partial<LogSettings>): Promise<string[]> {
    const diagnostics = createDiagnostics({ log: logSettings(changes) });
    for (const name of NAMES) diagnostics.report(name, anyFields(name));
    await diagnostics.close();
    const lines = readFileSync(folder.path('flow.log'), 'utf8').trimEnd().split('\n');
    return lines.map((line) => / ([a-z.]+): /.exec(line)?.[1] ?? line);
  }

  function throughLogger(changes: Partial<LogSettings>): string[] {
    const logger = recordingLogger();
    const diagnostics = createDiagnostics({ logger, log: logSettings({ file: undefined, ...changes }) });
    for (const name of NAMES) diagnostics.report(name, anyFields(name));
    return logger.lines.map((line) => / ([a-z.]+): /.exec(line)?.[1] ?? line);
  }

  for (const verbosity of Object.keys(VERBOSITIES).map(Number) as Verbosity[]) {
    it(`writes at Verbosity ${String(verbosity)} exactly the events of that step and those below`, async () => {
      const expected = NAMES.filter((name) => EVENTS[name].verbosity <= verbosity);
      expect(await throughFile({ verbosity })).to.deep.equal(expected);
      expect(throughLogger({ verbosity })).to.deep.equal(expected);
    });
  }

  for (const module of Object.keys(MODULES)) {
    it(`writes with LogModules ${module} exactly the events of that module`, async () => {
      const expected = NAMES.filter((name) => EVENTS[name].module === module);
      expect(await throughFile({ modules: [module] })).to.deep.equal(expected);
      expect(throughLogger({ modules: [module] })).to.deep.equal(expected);
    });
  }

  it('writes time, level, module, connection and event, one event one line', async () => {
    const clock = new FakeClock();
    const diagnostics = createDiagnostics({ log: logSettings(), connection: 'Orders\n[x', clock });
    clock.advance(1_234);
    diagnostics.report('token.obtained', { lifetimeSeconds: 3_599, ms: 120 });
    diagnostics.report('login.failed', { code: 'X', message: 'a\nb\u2028c' });
    await diagnostics.close();
    expect(readFileSync(folder.path('flow.log'), 'utf8')).to.equal(
      '2026-11-21T00:00:01.234Z info AUTH [Orders\\u000a[x] token.obtained: token obtained, usable for 3599 s (120 ms)\n' +
        '2026-11-21T00:00:01.234Z info CONN [Orders\\u000a[x] login.failed: login failed: X a\\u000ab\\u2028c\n',
    );
  });

  it('writes no file without Logfile, nor before the first event', async () => {
    const none = createDiagnostics({ log: logSettings({ file: undefined }) });
    none.report('session.closed', { id: 1, reason: 'idle' });
    await none.close();
    await createDiagnostics({ log: logSettings() }).close();
    expect(readdirSync(folder.path())).to.be.empty;
  });

  it('uses the log of the host instead of Logfile, and says so', async () => {
    const logger = recordingLogger();
    const diagnostics = createDiagnostics({ logger, log: logSettings() });
    diagnostics.report('session.closed', { id: 1, reason: 'idle' });
    await diagnostics.close();
    expect(logger.lines).to.deep.equal([
      'warn settings.warning: Logfile has no effect: the host keeps the log.',
      'debug session.closed: session 1 closed: idle',
    ]);
    expect(readdirSync(folder.path())).to.be.empty;
  });

  it('F-04 tells the channel once why the file cannot be written, and the flow goes on', async () => {
    const seen: unknown[] = [];
    const remember = (message: unknown): void => {
      seen.push(message);
    };
    const file = folder.path('missing', 'flow.log');
    subscribe('pg-entra:log.failed', remember);
    const diagnostics = createDiagnostics({ log: logSettings({ file }) });
    for (let id = 0; id < 5; id += 1) diagnostics.report('session.closed', { id, reason: 'idle' });
    await diagnostics.close();
    unsubscribe('pg-entra:log.failed', remember);
    expect(seen).to.have.length(1);
    expect(JSON.stringify(seen)).to.include('ENOENT').and.to.include(join('missing', 'flow.log'));
  });
});
