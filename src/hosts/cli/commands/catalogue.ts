import { manifest, renderManifest } from '../../../index.js';
import { json, renderRows, type Format } from '../output.js';
import { addCommand, formatOption, type Shell } from '../shell.js';
import { UsageError } from '../usage-error.js';

/** `spec` and `errors`: what connector.json says, without a connection. */
export function addCatalogue(shell: Shell): void {
  const { io } = shell;
  addCommand(shell, 'spec', 'Print connector.json.').action(() => {
    io.out(renderManifest());
  });
  addCommand(shell, 'errors', 'List the errors, or explain one.')
    .argument('[code]', 'code of an error')
    .addOption(formatOption('table'))
    .action((code: string | undefined, { format }: { format: Format }) => {
      io.out(code === undefined ? renderErrors(errorsOf(undefined), format) : renderOneError(code, format));
    });
}

function errorsOf(code: string | undefined) {
  return manifest()
    .errors.flatMap(({ type, exitCode, codes }) => codes.map((facts) => ({ ...facts, type, exitCode })))
    .filter((facts) => code === undefined || facts.code === code.toUpperCase());
}

function renderErrors(errors: ReturnType<typeof errorsOf>, format: Format): string {
  if (format === 'json') return json(errors);
  return renderRows(
    errors.map(({ code, type, retryable, exitCode }) => ({ code, type, retryable, exitCode })),
    format,
  );
}

function renderOneError(code: string, format: Format): string {
  const [found] = errorsOf(code);
  if (!found) throw new UsageError(`There is no error ${code}. "pg-entra errors" lists all.`);
  if (format !== 'table') return renderErrors([found], format);
  const { type, exitCode, message, cure } = found;
  return `${found.code} (${type}, exit code ${String(exitCode)})\n  ${message}\n  What to do: ${cure}\n`;
}
