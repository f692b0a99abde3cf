import type { Clock } from './clock.js';
import type { Diagnostics } from './diagnostics.js';
import { asConnectorError, type ConnectorError, type ErrorCode, type ErrorType } from './errors.js';

/** The steps of a login, in order. */
export const STAGES = [
  'settings',
  'certificate',
  'discovery',
  'token',
  'token-claims',
  'tcp',
  'tls',
  'login',
  'privileges',
] as const;

export type StageName = (typeof STAGES)[number];

/** What one step gave. */
export interface StageReport {
  readonly name: StageName;
  /** Skipped: it does not apply, was not asked for, or an earlier step failed. */
  readonly status: 'passed' | 'failed' | 'skipped';
  readonly ms: number;
  /** What there is to know of a stage that passed; of a skipped one the `reason`. */
  readonly detail?: Readonly<Record<string, unknown>>;
  readonly error?: {
    readonly type: ErrorType;
    readonly code: ErrorCode;
    readonly message: string;
    readonly cure: string;
    readonly correlationId?: string;
    readonly sqlState?: string;
  };
}

export interface TestReport {
  readonly ok: boolean;
  /** One entry per stage, always all of them, in order. */
  readonly stages: readonly StageReport[];
}

const AT_THE_DATABASE: ReadonlySet<StageName> = new Set(['tcp', 'tls', 'login', 'privileges']);

/** What a step gives: what the next one works with, and what is reported. */
export interface StepResult<T> {
  readonly value?: T;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Runs steps until one fails and remembers what each gave. */
export class Walk {
  /** Undefined until the settings are read: reading them takes no measurable time, and there is no log yet. */
  parts: { readonly clock: Clock; readonly diagnostics: Diagnostics } | undefined;
  readonly signal: AbortSignal | undefined;
  readonly #reports = new Map<StageName, StageReport>();
  readonly #notes: string[] = [];
  #failed = false;

  constructor(signal: AbortSignal | undefined) {
    this.signal = signal;
  }

  async step<T>(name: StageName, run: () => StepResult<T> | Promise<StepResult<T>>): Promise<T | undefined> {
    if (this.#failed) return undefined;
    const nowMs = (): number => this.parts?.clock.steadyMs() ?? 0;
    const startedAt = nowMs();
    const ms = (): number => Math.round(nowMs() - startedAt);
    try {
      const { value, detail } = await run();
      this.#reports.set(name, { name, status: 'passed', ms: ms(), ...(detail && { detail }) });
      return value;
    } catch (cause) {
      const error = asConnectorError(cause, this.signal);
      this.#fail(name, error, ms());
      return undefined;
    }
  }

  /** Notes why stage `name` does not apply; not after a failure, where nothing is known of it. */
  skip(name: StageName, reason: string): void {
    if (!this.#failed) this.#reports.set(name, skipped(name, reason));
  }

  /** Adds a sentence to the notes on the settings. */
  note(text: string): void {
    this.#notes.push(text);
  }

  report(): TestReport {
    const reason = this.#failed ? 'not reached' : 'not asked for';
    const settings = this.#reports.get('settings');
    if (settings?.status === 'passed' && this.#notes.length > 0)
      this.#reports.set('settings', { ...settings, detail: { notes: this.#notes.join(' ') } });
    const stages = STAGES.map((name) => this.#reports.get(name) ?? skipped(name, reason));
    return { ok: !this.#failed, stages };
  }

  #fail(name: StageName, error: ConnectorError, ms: number): void {
    this.#failed = true;
    // As a run would: whoever reads the log need not know that it was a test.
    const event = AT_THE_DATABASE.has(name) ? 'login.failed' : 'token.failed';
    this.parts?.diagnostics.report(event, { code: error.code, message: error.message });
    const { type, code, message, cure, correlationId, sqlState } = error;
    const facts = {
      type,
      code,
      message,
      cure,
      ...(correlationId !== undefined && { correlationId }),
      ...(sqlState !== undefined && { sqlState }),
    };
    // A token that came but is for something else fails at its claims, not at its request.
    const claims = name === 'token' && code === 'TOKEN_NOT_FOR_DATABASE';
    if (claims) this.#reports.set('token', { name, status: 'passed', ms });
    const stage = claims ? 'token-claims' : name;
    this.#reports.set(stage, { name: stage, status: 'failed', ms: claims ? 0 : ms, error: facts });
  }
}

function skipped(name: StageName, reason: string): StageReport {
  return { name, status: 'skipped', ms: 0, detail: { reason } };
}
