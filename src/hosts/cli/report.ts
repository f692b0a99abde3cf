import { exitCodeOf, type StageName, type StageReport, type TestReport } from '../../index.js';

const MARKS = { passed: 'ok', failed: 'FAILED', skipped: '-' } as const;

/** A test report for a person: a line per stage, why it was skipped, or cause and cure below the one that failed. */
export function renderReport(report: TestReport): string {
  const { ok, stages } = report;
  return `${stages.map(renderStage).join('')}${ok ? `${resultOf(report)}\n` : ''}`;
}

function resultOf(report: TestReport): string {
  const { stages } = report;
  const hasPassed = (stage: StageName): boolean =>
    stages.some(({ name, status }) => name === stage && status === 'passed');
  if (hasPassed('login')) return 'The connection works.';
  if (!hasPassed('token')) return 'Only the settings were tested: this login has no token.';
  return detailOf(report, 'token')['supplied'] === true
    ? 'The supplied token was only looked at: whether it works, the database decides, which was not asked.'
    : 'The token works; the database was not asked.';
}

/** Exit code for `report`: 0, or that of the error of the failed stage. */
export function exitCodeOfReport({ stages }: TestReport): number {
  const failed = stages.find(({ error }) => error !== undefined)?.error;
  return failed === undefined ? 0 : exitCodeOf(failed);
}

function headOf(status: StageReport['status'], name: StageName, time: string): string {
  return `${MARKS[status].padEnd(7)} ${name.padEnd(13)} ${time.padStart(8)}`;
}

function renderStage({ name, status, ms, detail, error }: StageReport): string {
  if (status === 'skipped') return `${headOf(status, name, '')}  ${String(detail?.['reason'])}\n`;
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
