import { expect } from 'chai';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createDiagnostics, EVENTS, LEVELS, type EventName } from '#src/diagnostics.js';
import { recordingLogger } from './support/log.js';

const NAMES = Object.keys(EVENTS) as EventName[];

describe('diagnostics', () => {
  for (const name of NAMES) {
    it(`${name} is a line of words at a known level`, () => {
      const { level, text } = EVENTS[name];
      expect(name).to.match(/^[a-z]+\.[a-z]+$/);
      expect(LEVELS).to.include(level);
      expect(text.replace(/\{[a-zA-Z]+\}/g, '')).not.to.match(/[{}\n]/);
    });
  }

  it('has no field for what is secret', () => {
    const fields = NAMES.flatMap((name) =>
      [...EVENTS[name].text.matchAll(/\{(\w+)\}/g)].map(([, field = '']) => field),
    );
    expect(fields).not.to.be.empty;
    for (const field of fields)
      expect(field).not.to.match(/^(secret|token|password|assertion|sql|values?|parameters?|row)$/i);
  });

  it('writes name and filled text at the level of the event', () => {
    const logger = recordingLogger();
    const diagnostics = createDiagnostics(logger);
    diagnostics.report('session.closed', { id: 7, reason: 'idle' });
    diagnostics.report('settings.warning', { text: 'Port is given more than once.' });
    expect(logger.lines).to.deep.equal([
      'debug session.closed: session 7 closed: idle',
      'warn settings.warning: Port is given more than once.',
    ]);
  });

  it('P-10 keeps every event on one line: no forged entries', () => {
    const logger = recordingLogger();
    createDiagnostics(logger).report('certificate.loaded', {
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
      expect(() => createDiagnostics(logger).report('session.closed', { id: 1, reason: 'x' })).not.to.throw();
  });
});
