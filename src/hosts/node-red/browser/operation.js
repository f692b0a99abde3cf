/* global RED, $ */
/** Runs in the editor: the dialog of the operation node. `form` is made by editor.ts from connector.json. */
export function registerOperation(form) {
  const operationOf = (name) => form.operations.find((each) => each.name === name);
  const row = (name) => $(`.pg-entra-form [data-parameter="${name}"]`);
  const field = (name) => $(`#pg-entra-parameter-${name}`);
  const isText = (parameter) => parameter.multiline && field(parameter.name).typedInput('type') === 'str';

  let editors = {};

  function showParameters() {
    const { parameters } = operationOf($('#node-input-operation').val()) ?? { parameters: [] };
    for (const { name } of form.parameters) row(name).toggle(parameters.includes(name));
    for (const { name } of form.parameters.filter(({ multiline }) => multiline)) editors[name].resize();
  }

  function showBatchSize() {
    $('.pg-entra-batch-size').toggle($('#node-input-output').val() === 'batches');
  }

  /** A typed input for `parameter`; text of several lines gets an editor below it. */
  function makeInput(parameter, { type, value }) {
    const { name, multiline } = parameter;
    const plain = { value: 'str', label: form.multilineLabel, hasValue: false };
    const types = parameter.types.map((each) => (multiline && each === 'str' ? plain : each));
    field(name).typedInput({ types, default: type });
    field(name).typedInput('type', type);
    field(name).typedInput('value', multiline && type === 'str' ? '' : value);
    if (!multiline) return;
    editors[name] = RED.editor.createEditor({
      id: `pg-entra-editor-${name}`,
      mode: 'ace/mode/sql',
      minimap: { enabled: false },
      value: type === 'str' ? value : '',
    });
    const showEditor = () => $(`#pg-entra-editor-${name}`).toggle(isText(parameter));
    field(name).on('change', showEditor);
    showEditor();
  }

  function readInput(parameter) {
    const type = field(parameter.name).typedInput('type');
    const value = isText(parameter)
      ? editors[parameter.name].getValue()
      : field(parameter.name).typedInput('value');
    return { type, value };
  }

  function closeEditors() {
    for (const editor of Object.values(editors)) editor.destroy();
    editors = {};
  }

  const isBatchSize = (value) => /^[1-9]\d{0,6}$/.test(value);

  /** What a new node starts with. */
  const initialInput = Object.fromEntries(form.parameters.map(({ name, initial }) => [name, initial]));

  RED.nodes.registerType(form.type, {
    category: form.category,
    color: form.color,
    icon: 'db.svg',
    inputs: 1,
    outputs: 1,
    paletteLabel: form.paletteLabel,
    defaults: {
      name: { value: '' },
      connection: { value: '', type: form.connectionType, required: true },
      operation: { value: form.operations[0].name, required: true },
      input: { value: {} },
      output: { value: 'message' },
      batchSize: { value: '1000', validate: isBatchSize },
    },
    label() {
      const { title } = operationOf(this.operation) ?? { title: form.paletteLabel };
      const table = this.input?.table;
      return this.name || (table?.type === 'str' && table.value ? `${title} ${table.value}` : title);
    },
    labelStyle() {
      return this.name ? 'node_label_italic' : '';
    },
    oneditprepare() {
      for (const parameter of form.parameters) {
        makeInput(parameter, this.input?.[parameter.name] ?? initialInput[parameter.name]);
      }
      $('#node-input-operation').on('change', showParameters);
      $('#node-input-output').on('change', showBatchSize);
      showParameters();
      showBatchSize();
    },
    oneditsave() {
      const { parameters } = operationOf($('#node-input-operation').val()) ?? { parameters: [] };
      const shown = form.parameters.filter(({ name }) => parameters.includes(name));
      this.input = Object.fromEntries(shown.map((parameter) => [parameter.name, readInput(parameter)]));
      closeEditors();
    },
    oneditcancel: closeEditors,
  });
}
