import { exitCodeOf, type StageName, type StageReport, type TestReport } from '../../index.js';

const MARKS = { passed: 'ok', failed: 'FAILED', skipped: '-' } as const;

/** Why a stage has nothing to do in a login that succeeds. */
const WITHOUT: Partial<Record<StageName, string>> = {
  certificate: 'this login uses no certificate',
  discovery: 'this login has nothing to discover',
  token: 'this login has no token',
  'token-claims': 'there are no claims to look at',
  tls: 'UseSSL is false',
};

const AT_THE_DATABASE: ReadonlySet<StageName> = new Set(['tcp', 'tls', 'login', 'privileges']);

/**
 * A test report for a person: a line per stage, why it was skipped, or cause and cure below the one
 * that failed. `tokenOnly` tells that the database was left out on purpose.
 */
export function renderReport(report: TestReport, tokenOnly = false): string {
  const { ok, stages } = report;
  const failedAt = stages.findIndex(({ status }) => status === 'failed');
  const lines = stages.map((stage, at) => {
    if (stage.status !== 'skipped') return renderStage(stage);
    if (failedAt >= 0 && at > failedAt) return renderSkipped(stage.name, 'not reached');
    if (tokenOnly && AT_THE_DATABASE.has(stage.name)) return renderSkipped(stage.name, 'not asked for');
    return renderSkipped(stage.name, WITHOUT[stage.name] ?? 'not needed');
  });
  return `${lines.join('')}${ok ? `${resultOf(report, tokenOnly)}\n` : ''}`;
}

function resultOf({ stages }: TestReport, tokenOnly: boolean): string {
  if (!tokenOnly) return 'The connection works.';
  const hasToken = stages.some(({ name, status }) => name === 'token' && status === 'passed');
  return hasToken
    ? 'The token works; the database was not asked.'
    : 'Only the settings were tested: this login has no token.';
}

/** Exit code for `report`: 0, or that of the error of the failed stage. */
export function exitCodeOfReport({ stages }: TestReport): number {
  const failed = stages.find(({ error }) => error !== undefined)?.error;
  return failed === undefined ? 0 : exitCodeOf(failed);
}

function renderSkipped(name: StageName, reason: string): string {
  return `${headOf('skipped', name, '')}  ${reason}\n`;
}

function headOf(status: StageReport['status'], name: StageName, time: string): string {
  return `${MARKS[status].padEnd(7)} ${name.padEnd(13)} ${time.padStart(8)}`;
}

function renderStage({ name, status, ms, detail, error }: StageReport): string {
  const head = headOf(status, name, `${String(ms)} ms`);
  if (!error) return `${`${head}  ${details(detail)}`.trimEnd()}\n`;
  const sqlState = error.sqlState === undefined ? '' : `, SQLSTATE ${error.sqlState}`;
  const correlation =
    error.correlationId === undefined ? '' : `        Correlation id: ${error.correlationId}\n`;
  return `${head}  ${error.code} (${error.type}${sqlState})\n        ${error.message}\n        What to do: ${error.cure}\n${correlation}`;
}

function details(detail: StageReport['detail'] = {}): string {
  return Object.entries(detail)
    .map(([name, value]) => `${name}=${factText(name, value)}`)
    .join(' ');
}

/** The value of a detail: times of tokens, which are seconds since 1970, as dates. */
export function factText(name: string, value: unknown): string {
  const isTime = name.endsWith('At') && typeof value === 'number';
  return isTime ? new Date(value * 1_000).toISOString() : String(value);
}

/** Details of the stage `name`; none where it did not run. */
export function detailOf(
  { stages }: TestReport,
  name: StageReport['name'],
): Readonly<Record<string, unknown>> {
  return stages.find((stage) => stage.name === name)?.detail ?? {};
}
