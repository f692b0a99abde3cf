/* global RED, $ */
/** Runs in the editor: the dialog of the connection node. `form` is made by editor.ts from connector.json. */
export function registerConnection(form) {
  const input = (name) => $(`#node-config-input-${name}`);
  const row = (name) => $(`.pg-entra-form [data-property="${name}"]`);
  const valueOf = (field) =>
    field.type === 'boolean' ? String(input(field.name).prop('checked')) : String(input(field.name).val());

  /** Values of the property `name` that decide about another one; at any other value nothing is hidden. */
  const decisive = (name) => form.fields.flatMap(({ visibleWhen }) => visibleWhen?.[name] ?? []);
  const isShown = ({ visibleWhen }) =>
    Object.entries(visibleWhen ?? {}).every(([name, values]) => {
      const value = String(input(name).val());
      return values.includes(value) || !decisive(name).includes(value);
    });

  const isFilled = ({ name, type }) => type !== 'boolean' && String(input(name).val()) !== '';

  /**
   * Settings may name less than the form: a certificate decides about the scheme by itself. Where a
   * filled field would be hidden, chooses the first value of the deciding field that shows it.
   */
  function showFilled() {
    const hidesNothing = () => form.fields.every((field) => !isFilled(field) || isShown(field));
    for (const name of form.deciding.filter(() => !hidesNothing())) {
      const stored = input(name).val();
      const choices = input(name).find('option').toArray();
      const better = choices.find(({ value }) => {
        input(name).val(value);
        return value !== '' && hidesNothing();
      });
      input(name).val(better?.value ?? stored);
    }
  }

  function showFields() {
    for (const field of form.fields) row(field.name).toggle(isShown(field));
    $('.pg-entra-form details').each(function () {
      const rows = $(this).find('[data-property]').toArray();
      $(this).toggle(rows.some((each) => each.style.display !== 'none'));
    });
  }

  /** Opens the sections that hold something to fill in, or something that was filled in. */
  function openSections() {
    for (const field of form.fields) {
      if (field.needed || isFilled(field)) row(field.name).closest('details').prop('open', true);
    }
  }

  const acceptsInteger =
    ({ minimum, maximum }) =>
    (value) =>
      value === '' ||
      value === undefined ||
      /^\$\{[^}]+\}$/.test(value) ||
      (/^\d+$/.test(value) && Number(value) >= minimum && Number(value) <= maximum);

  function defaultsOf() {
    const open = form.fields.filter(({ secret }) => !secret);
    const entries = open.map((field) => [
      field.name,
      {
        value: field.initial,
        ...(field.required && { required: true }),
        ...(field.type === 'integer' && { validate: acceptsInteger(field) }),
      },
    ]);
    return { name: { value: '' }, ...Object.fromEntries(entries) };
  }

  function showReport({ stages }) {
    const list = $('#pg-entra-report').empty();
    for (const stage of stages.filter(({ status }) => status !== 'skipped')) list.append(stageLine(stage));
    const failed = stages.findIndex(({ status }) => status === 'failed');
    const unreached = failed < 0 ? [] : stages.slice(failed + 1).map(({ name }) => name);
    if (unreached.length > 0)
      list.append($('<li class="pg-entra-skipped">').text(`not reached: ${unreached.join(', ')}`));
  }

  // Texts of servers are shown as text nodes only.
  function stageLine({ name, status, ms, detail, error }) {
    const passed = status === 'passed';
    const line = $('<li>').addClass(`pg-entra-${status}`).attr('data-stage', name);
    line.append($('<i>').addClass(passed ? 'fa fa-check' : 'fa fa-times'));
    line.append($('<b>').text(name), $('<span class="pg-entra-ms">').text(`${ms} ms`));
    const facts = Object.entries(detail ?? {}).filter(([, value]) => typeof value !== 'object');
    if (facts.length > 0) {
      const text = facts.map(([fact, value]) => `${fact} ${value}`).join(' · ');
      line.append($('<span class="pg-entra-detail">').text(text).attr('title', text));
    }
    if (error) {
      line.append($('<div class="pg-entra-message">').text(error.message));
      line.append($('<div class="pg-entra-cure">').text(error.cure));
      line.append($('<code>').text(error.code));
    }
    return line;
  }

  function showTrouble(text) {
    $('#pg-entra-report').empty().append($('<li class="pg-entra-failed">').text(text));
  }

  function test(id) {
    const properties = Object.fromEntries(
      form.fields.filter(isShown).map((field) => [field.name, valueOf(field)]),
    );
    const button = $('#pg-entra-test').prop('disabled', true);
    $('#pg-entra-report').empty().append($('<li>').text('testing …'));
    $.ajax({
      url: 'pg-entra/test',
      method: 'POST',
      contentType: 'application/json',
      data: JSON.stringify({ id, properties }),
    })
      .done(showReport)
      .fail(({ status }) => showTrouble(`The test could not be run (HTTP ${status}).`))
      .always(() => {
        button.prop('disabled', false);
        $('#pg-entra-report')[0]?.scrollIntoView({ block: 'nearest' });
      });
  }

  /** Whether the user chose anew, in this dialog, what is shown. */
  let decided = false;
  /** Boxes that show a default because the node does not say. */
  let notGiven = [];

  // What the user's choice hid does not apply: it must not stay behind and contradict what is shown.
  function clearHidden() {
    for (const field of form.fields.filter((each) => !isShown(each))) input(field.name).val('');
  }

  // The editor stores what its inputs hold; a default that was not given gets no input.
  function leaveOutDefaults() {
    for (const { name, initial } of notGiven) {
      if (input(name).prop('checked') === initial) input(name).remove();
    }
  }

  RED.nodes.registerType(form.type, {
    category: 'config',
    color: form.color,
    paletteLabel: form.paletteLabel,
    defaults: defaultsOf(),
    credentials: Object.fromEntries(
      form.fields.filter(({ secret }) => secret).map(({ name }) => [name, { type: 'password' }]),
    ),
    label() {
      return this.name || this.Server || form.title;
    },
    oneditprepare() {
      decided = false;
      for (const name of form.deciding) {
        input(name).on('change', ({ originalEvent }) => {
          decided ||= originalEvent !== undefined; // the editor triggers the event too
          showFields();
        });
      }
      notGiven = form.fields.filter(({ name, type }) => type === 'boolean' && this[name] === undefined);
      for (const { name, initial } of notGiven) input(name).prop('checked', initial);
      showFilled();
      $('#pg-entra-test').on('click', () => test(this.id));
      openSections();
      showFields();
    },
    oneditsave() {
      if (decided) clearHidden();
      leaveOutDefaults();
    },
  });
}
