import { explainSettings } from '../../../index.js';
import { readConnection, type ConnectionOptions } from '../connection.js';
import { json, renderRows, type Format } from '../output.js';
import { addReadingCommand, formatOption, type Shell } from '../shell.js';

/** A certificate would push the columns beside it off the screen. */
const LONGEST = { value: 60 };

/** `explain`: the effective settings, masked, and where each came from. */
export function addExplain(shell: Shell): void {
  const { io } = shell;
  addReadingCommand(
    shell,
    'explain',
    'Show the effective settings, secrets masked, and where each came from.',
  )
    .addOption(formatOption('table'))
    .action(async (options: ConnectionOptions & { format: Format }) => {
      const { effective, notes } = explainSettings(await readConnection(options, io));
      const rows = effective.map(({ name, value, origin, note = '' }) => ({
        property: name,
        value,
        origin,
        note,
      }));
      if (options.format === 'json') io.out(json({ properties: rows, notes }));
      else {
        io.out(renderRows(rows, options.format, { longest: LONGEST }));
        for (const { text } of notes) io.err(`Note: ${text}\n`);
      }
    });
}
