import type { Manifest } from '../../index.js';
import { formOf } from './form.js';

// An import of node:fs would make ready all that it offers, for longer than reading the file takes.
const { readFileSync } = process.getBuiltinModule('node:fs');

/**
 * What the nodes need to know of the connector before one of them is deployed. It is read from
 * connector.json: the palette of every Node-RED loads it, whether a flow uses the nodes or not.
 */
export const FORM = formOf(
  JSON.parse(readFileSync(new URL('../../../connector.json', import.meta.url), 'utf8')) as Manifest,
);
