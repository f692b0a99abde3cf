import { readFileSync } from 'node:fs';
import { manifest } from '../../index.js';
import { formOf, type FormGroup, type FormParameter, type FormProperty } from './form.js';
import { CONNECTION_TYPE, OPERATION_TYPE } from './node-types.js';

const FORM = formOf(manifest());

/** The parameters of all operations; one that several operations share stands here once. */
const PARAMETERS: readonly FormParameter[] = [
  ...new Map(
    FORM.operations.flatMap(({ parameters }) => parameters.map((parameter) => [parameter.name, parameter])),
  ).values(),
];

/** The HTML file of the connection node: script, dialog and help, made from connector.json. */
export function renderConnectionEditor(): string {
  return [
    style('connection.css'),
    script(['test-report.js', 'connection.js'], 'registerConnection', connectionForm()),
    template(CONNECTION_TYPE, connectionDialog()),
    help(CONNECTION_TYPE, connectionHelp()),
  ].join('\n');
}

/** The HTML file of the operation node. */
export function renderOperationEditor(): string {
  return [
    script(['operation.js'], 'registerOperation', operationForm()),
    template(OPERATION_TYPE, operationDialog()),
    help(OPERATION_TYPE, operationHelp()),
  ].join('\n');
}

// --- the frame ---------------------------------------------------------------------------------

/** A script of `files`, the last of which exports `call`, run with `form`. */
function script(files: readonly string[], call: string, form: object): string {
  const code = files.map(sourceOf).join('\n');
  // "<" inside a script element must not be able to end it.
  const data = JSON.stringify(form).replaceAll('<', '\\u003c');
  return `<script type="text/javascript">\n(function () {\n${code}\n${call}(${data});\n})();\n</script>\n`;
}

/** The editor knows no modules: what one file imports from another stands in one function with it. */
function sourceOf(file: string): string {
  const source = readFileSync(new URL(`browser/${file}`, import.meta.url), 'utf8');
  return source
    .replace(/^import .*\n/gm, '')
    .replace(/^export /gm, '')
    .trimEnd();
}

function template(type: string, content: string): string {
  return `<script type="text/html" data-template-name="${type}">\n<div class="pg-entra-form">\n${content}\n</div>\n</script>\n`;
}

function help(type: string, content: string): string {
  return `<script type="text/html" data-help-name="${type}">\n${content}\n</script>\n`;
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function style(file: string): string {
  return `<style>\n${readFileSync(new URL(`browser/${file}`, import.meta.url), 'utf8')}</style>\n`;
}

// --- the connection ----------------------------------------------------------------------------

/** Shown with a login that they count with, although it can do without; the other ones are a click away. */
const COMMON = new Set([
  ...['InitiateOAuth', 'OAuthClientId', 'OAuthAccessTokenURL', 'OAuthExpiresIn'],
  ...['OAuthJWTCert', 'OAuthJWTCertType', 'OAuthJWTCertPassword'],
]);

function connectionForm(): object {
  const derivations = FORM.properties.flatMap(({ name, 'x-derivation': rows }) =>
    rows ? [[name, rows] as const] : [],
  );
  return {
    type: CONNECTION_TYPE,
    title: 'PostgreSQL',
    paletteLabel: 'postgresql entra connection',
    color: FORM.appearance.color,
    derivations: Object.fromEntries<unknown>(derivations),
    fields: FORM.properties.map((property) => ({
      name: property.name,
      title: property.title,
      type: property.type,
      initial: initialValue(property),
      group: property.group,
      ...(property.default !== undefined && { otherwise: String(property.default) }),
      ...(property.enum && { isChoice: true }),
      ...(COMMON.has(property.name) && { isCommon: true }),
      ...(property.airbyte_secret && { secret: true }),
      ...(FORM.requiredNames.includes(property.name) && { required: true }),
      ...(property.type === 'integer' && { minimum: property.minimum, maximum: property.maximum }),
      ...(property['x-visibleWhen'] && { visibleWhen: property['x-visibleWhen'] }),
      ...(property['x-requiredWhen'] && { requiredWhen: property['x-requiredWhen'] }),
      ...(property['x-instead'] && { instead: property['x-instead'] }),
    })),
  };
}

/**
 * Defaults stay out of the flow, so that a later default reaches it; only a checkbox cannot be
 * empty, and a new connection says how it logs in.
 */
function initialValue({ name, type, default: value, enum: choices }: FormProperty): string | boolean {
  if (type === 'boolean') return value === true;
  return name === 'AuthScheme' ? (choices?.[0] ?? '') : '';
}

function connectionDialog(): string {
  const name = `<div class="form-row"><label for="node-config-input-name"><i class="fa fa-tag"></i> Name</label><input type="text" id="node-config-input-name"></div>`;
  const test = `<div class="pg-entra-test-row"><button type="button" class="red-ui-button" id="pg-entra-test"><i class="fa fa-plug"></i> Test connection</button> <button type="button" class="red-ui-button" id="pg-entra-test-token"><i class="fa fa-key"></i> Test token only</button><ul id="pg-entra-report"></ul></div>`;
  return [name, ...FORM.groups.map(section), test].join('\n');
}

function section({ id, title, properties }: FormGroup): string {
  const rows = properties.map(propertyRow).join('\n');
  return `<details data-group="${escape(id)}"><summary>${escape(title)}</summary>\n${rows}\n<button type="button" class="red-ui-button red-ui-button-small pg-entra-more"></button></details>`;
}

function propertyRow(property: FormProperty): string {
  const { name, title, description } = property;
  const id = `node-config-input-${name}`;
  return `<div class="form-row" data-property="${name}"><label for="${id}" title="${escape(description)}">${escape(title)}</label>${propertyInput(property, id)}</div>`;
}

function propertyInput(property: FormProperty, id: string): string {
  const { type, enum: choices, airbyte_secret: secret } = property;
  const hint = escape(placeholderOf(property));
  if (type === 'boolean') return `<input type="checkbox" id="${id}">`;
  if (choices) return `<select id="${id}">${choiceOptions(property)}</select>`;
  if (isMultiLine(property))
    return `<textarea id="${id}" placeholder="${hint}" spellcheck="false" autocomplete="off"${secret ? ' class="pg-entra-secret"' : ''}></textarea>`;
  if (secret) return `<input type="password" id="${id}" placeholder="${hint}" autocomplete="new-password">`;
  const digits = type === 'integer' ? ' inputmode="numeric"' : '';
  return `<input type="text" id="${id}" placeholder="${hint}" spellcheck="false" autocomplete="off"${digits}>`;
}

function choiceOptions(property: FormProperty): string {
  const empty = `<option value="">${escape(`(${placeholderOf(property)})`)}</option>`;
  return empty + (property.enum ?? []).map((choice) => `<option>${escape(choice)}</option>`).join('');
}

function placeholderOf({ default: value, 'x-derived': derived, 'x-unit': unit }: FormProperty): string {
  if (value === undefined) return derived ?? '';
  return unit === undefined ? String(value) : `${String(value)} ${unit}`;
}

// A key store may be given as PEM text, which a field of one line would join into one.
function isMultiLine({ 'x-kind': kind }: FormProperty): boolean {
  return kind === 'pem' || kind === 'store';
}

function connectionHelp(): string {
  const sections = FORM.groups.map(
    ({ title, properties }) =>
      `<h3>${escape(title)}</h3>\n<dl class="message-properties">\n${properties.map(propertyHelp).join('\n')}\n</dl>`,
  );
  return `<p>A connection to PostgreSQL that logs in with a token, of Microsoft Entra ID or another OpenID provider, and renews that token by itself; or with a database password.</p>
<p><b>Auth Scheme</b> decides what the dialog asks for; what that login needs is marked with a star. Everything else stands in folded sections and may stay empty.</p>
<p>Sessions are opened when the first message needs one (or at the start, with Connect On Open), shared by all nodes that use this connection, and ended when it is deployed anew. A connection that cannot be reached yet can be saved and deployed; the flow starts all the same.</p>
<p><b>Test connection</b> tries the values of this dialog, deployed or not, step by step. <b>Test token only</b> stops after the token and needs no server. Secrets are kept in Node-RED's encrypted credential store and never shown again; a stored secret is not sent to a changed server or authority.</p>
<p>A value <code>\${NAME}</code> is taken from the environment when the flow starts. A secret or certificate may also be given as <code>@file:PATH</code> or <code>@env:NAME</code>. A field left empty has the default that stands in it.</p>
${sections.join('\n')}`;
}

function propertyHelp(property: FormProperty): string {
  const type = property.airbyte_secret ? 'secret' : property.type;
  const hint = placeholderOf(property);
  const otherwise = hint === '' ? '' : ` <i>Empty: ${escape(hint)}.</i>`;
  return `<dt>${escape(property.title)} <span class="property-type">${type}</span></dt><dd>${escape(property.description)}${otherwise}</dd>`;
}

// --- the operation -----------------------------------------------------------------------------

/** Types of the editor's typed input for each JSON type; the first one is for a value written down. */
const TYPED_INPUTS: Readonly<Record<string, readonly string[]>> = {
  string: ['str', 'env'],
  integer: ['num', 'env'],
  number: ['num', 'env'],
  boolean: ['bool'],
  array: ['json'],
  object: ['json'],
};
const FROM_THE_FLOW = ['msg', 'flow', 'global', 'jsonata'];

function operationForm(): object {
  return {
    type: OPERATION_TYPE,
    connectionType: CONNECTION_TYPE,
    category: FORM.appearance.category,
    color: FORM.appearance.color,
    paletteLabel: 'postgresql entra',
    multilineLabel: 'text below',
    operations: FORM.operations.map(({ name, title, parameters }) => ({
      name,
      title,
      parameters: parameters.map((parameter) => parameter.name),
    })),
    parameters: PARAMETERS.map((parameter) => ({
      name: parameter.name,
      types: [...typesOf(parameter), ...FROM_THE_FLOW],
      initial: initialTypedValue(parameter),
      multiline: isSql(parameter),
    })),
  };
}

function typesOf({ type }: FormParameter): readonly string[] {
  return TYPED_INPUTS[type] ?? ['json'];
}

/** Rows come with the message, as a flow's data does; everything else is written into the node. */
function initialTypedValue(parameter: FormParameter): { type: string; value: string } {
  if (parameter.name === 'rows') return { type: 'msg', value: 'payload' };
  const [type = 'json'] = typesOf(parameter);
  const { default: value } = parameter;
  if (value === undefined) return { type, value: parameter.type === 'array' ? '[]' : '' };
  return { type, value: typeof value === 'string' ? value : JSON.stringify(value) };
}

function isSql({ name }: FormParameter): boolean {
  return name === 'sql';
}

function operationDialog(): string {
  const options = FORM.operations.map(
    ({ name, title }) => `<option value="${name}">${escape(title)}</option>`,
  );
  return `<div class="form-row"><label for="node-input-name"><i class="fa fa-tag"></i> Name</label><input type="text" id="node-input-name"></div>
<div class="form-row"><label for="node-input-connection"><i class="fa fa-plug"></i> Connection</label><input type="text" id="node-input-connection"></div>
<div class="form-row"><label for="node-input-operation"><i class="fa fa-database"></i> Operation</label><select id="node-input-operation">${options.join('')}</select></div>
${PARAMETERS.map(parameterRow).join('\n')}
<div class="form-row"><label for="node-input-output"><i class="fa fa-sign-out"></i> Output</label><select id="node-input-output"><option value="message">all rows in one message</option><option value="batches">batches, one message each</option></select></div>
<div class="form-row pg-entra-batch-size"><label for="node-input-batchSize">Batch size</label><input type="text" id="node-input-batchSize" inputmode="numeric"></div>`;
}

function parameterRow(parameter: FormParameter): string {
  const { name, title, description } = parameter;
  const editor = isSql(parameter)
    ? `<div class="pg-entra-text node-text-editor" id="pg-entra-editor-${name}"></div>`
    : '';
  return `<div class="form-row" data-parameter="${name}"><label for="pg-entra-parameter-${name}" title="${escape(description)}">${escape(title)}</label><div class="pg-entra-typed"><input type="text" id="pg-entra-parameter-${name}">${editor}</div></div>`;
}

function operationHelp(): string {
  const operations = FORM.operations.map(
    ({ title, description }) => `<dt>${escape(title)}</dt><dd>${escape(description)}</dd>`,
  );
  const parameters = PARAMETERS.map(
    ({ title, type, description }) =>
      `<dt>${escape(title)} <span class="property-type">${escape(type)}</span></dt><dd>${escape(description)}</dd>`,
  );
  return `<p>Runs one operation in PostgreSQL for each message.</p>
<h3>Operations</h3>
<dl class="message-properties">
${operations.join('\n')}
</dl>
<h3>Inputs</h3>
<p>Each one is written here or taken from the message, the context or an expression. Server, login and TLS come from the connection only, never from a message.</p>
<dl class="message-properties">
${parameters.join('\n')}
</dl>
<h3>Outputs</h3>
<dl class="message-properties">
<dt>payload <span class="property-type">array</span></dt><dd>The rows, as objects. bigint and numeric are text, times are ISO 8601 text: nothing is rounded.</dd>
<dt>attributes <span class="property-type">object</span></dt><dd><code>affectedRows</code> and <code>fields</code> (with all rows in one message).</dd>
<dt>parts <span class="property-type">object</span></dt><dd>In batches: <code>id</code>, <code>index</code>, <code>type</code>, <code>len</code>, and <code>count</code> on the last, for a join node. With batch size 1 the payload is the row itself, as after a split node.</dd>
<dt>complete <span class="property-type">boolean</span></dt><dd>true on the last message of a sequence.</dd>
</dl>
<h3>Errors</h3>
<p>A catch node finds <code>msg.error.code</code> (such as WRONG_CLIENT_SECRET) and, in <code>msg.error.cause</code>, <code>type</code> (such as POSTGRESQL:CONNECTIVITY), <code>cure</code>, <code>retryable</code> and, where the server gave one, <code>sqlState</code>.</p>
<h3>Details</h3>
<p>Messages run at the same time, as far as the pool of the connection allows; each batch sequence is independent. Node-RED knows no back-pressure: batches are sent as fast as they are read, with a pause for the rest of the flow between two.</p>`;
}
