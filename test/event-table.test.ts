import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { PROJECT } from '#samples/runner/sample.js';
import { EVENTS } from '#src/event-table.js';

describe('table of events', () => {
  it('has no event that nothing reports', () => {
    const source = join(PROJECT, 'src');
    const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(
      (path) => path.endsWith('.ts') && path !== 'event-table.ts',
    );
    const text = files.map((path) => readFileSync(join(source, path), 'utf8')).join('\n');
    const unused = Object.keys(EVENTS).filter((name) => !text.includes(`'${name}'`));
    expect(unused).to.deep.equal([]);
  });
});
