import { explainSettings } from '../../../index.js';
import { readConnection } from '../connection.js';
import { json, renderRows, type Format } from '../output.js';
import { addConnectedCommand, formatOption, type ConnectedOptions, type Shell } from '../shell.js';

/** `explain`: the effective settings, masked, and where each came from. */
export function addExplain(shell: Shell): void {
  const { io } = shell;
  addConnectedCommand(
    shell,
    'explain',
    'Show the effective settings, secrets masked, and where each came from.',
  )
    .addOption(formatOption('table'))
    .action(async (options: ConnectedOptions & { format: Format }) => {
      const { effective, notes } = explainSettings(await readConnection(options, io));
      const rows = effective.map(({ name, value, origin, note = '' }) => ({
        property: name,
        value,
        origin,
        note,
      }));
      if (options.format === 'json') io.out(json({ properties: rows, notes }));
      else {
        const isTable = options.format === 'table';
        io.out(
          renderRows(
            isTable ? rows.map((row) => ({ ...row, value: shortened(row.value) })) : rows,
            options.format,
          ),
        );
        for (const { text } of notes) io.err(`Note: ${text}\n`);
      }
    });
}

const LONGEST_VALUE = 60;

/** Certificates would push the columns beside them off the screen. */
function shortened(value: string): string {
  return value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE - 1)}…` : value;
}
