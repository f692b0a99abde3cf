import { exitCodeOf, type StageReport, type TestReport } from '../../index.js';

const MARKS = { passed: 'ok', failed: 'FAILED', skipped: '-' } as const;

/** A test report for a person: a line per stage, cause and cure below the one that failed. */
export function renderReport({ ok, stages }: TestReport): string {
  const lines = stages.map(renderStage);
  return `${lines.join('')}${ok ? 'The connection works.\n' : ''}`;
}

/** Exit code for `report`: 0, or that of the error of the failed stage. */
export function exitCodeOfReport({ stages }: TestReport): number {
  const failed = stages.find(({ error }) => error !== undefined)?.error;
  return failed === undefined ? 0 : exitCodeOf(failed);
}

function renderStage({ name, status, ms, detail, error }: StageReport): string {
  const time = status === 'skipped' ? '' : `${String(ms)} ms`;
  const head = `${MARKS[status].padEnd(7)} ${name.padEnd(13)} ${time.padStart(8)}`;
  if (!error) return `${`${head}  ${details(detail)}`.trimEnd()}\n`;
  const sqlState = error.sqlState === undefined ? '' : `, SQLSTATE ${error.sqlState}`;
  const correlation =
    error.correlationId === undefined ? '' : `        Correlation id: ${error.correlationId}\n`;
  return `${head}  ${error.code} (${error.type}${sqlState})\n        ${error.message}\n        What to do: ${error.cure}\n${correlation}`;
}

function details(detail: StageReport['detail'] = {}): string {
  return Object.entries(detail)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ');
}

/** Details of the stage `name`; none where it did not run. */
export function detailOf(
  { stages }: TestReport,
  name: StageReport['name'],
): Readonly<Record<string, unknown>> {
  return stages.find((stage) => stage.name === name)?.detail ?? {};
}
