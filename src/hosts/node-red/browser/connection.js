/* global RED, $ */
import { showReport, showTrouble } from './test-report.js';

/** Runs in the editor: the dialog of the connection node. `form` is made by editor.ts from connector.json. */
export function registerConnection(form) {
  const deciders = Object.keys(form.derivations);
  const fieldOf = (name) => form.fields.find((field) => field.name === name);
  const input = (name) => $(`#node-config-input-${name}`);
  const row = ({ name }) => $(`.pg-entra-form [data-property="${name}"]`);
  const section = (group) => $(`.pg-entra-form details[data-group="${group}"]`);
  const written = (name) => String(input(name).val() ?? '');
  const isFilled = ({ name, type }) => type !== 'boolean' && written(name) !== '';
  const valueOf = ({ name, type }) =>
    type === 'boolean' ? String(input(name).prop('checked')) : written(name);
  const isSet = (field) =>
    field.type === 'boolean'
      ? input(field.name).prop('checked') !== field.initial
      : isFilled(field) && written(field.name) !== field.otherwise;
  const isVariable = (value) => /^\$\{[^}]+\}$/.test(value);

  /** Id of the node whose dialog is open. */
  let editing;
  /** Whether the user chose anew, in this dialog, what is shown; what that hides does not count and is not kept. */
  let decided = false;
  /** Names of the fields that held something when the dialog was opened. */
  let given = new Set();
  /** Boxes that show a default because the node does not say. */
  let notGiven = [];
  /** Sections of a login whose seldom used fields are shown too. */
  let expanded = new Set();
  /** The test that is under way. */
  let testing;

  // --- what counts ---------------------------------------------------------------------------

  const holds = (condition, counting) =>
    Object.entries(condition ?? {}).every(([name, values]) => values.includes(counting[name]));

  /** Whether a value of `name` is there that a save would keep. */
  function isGiven(name) {
    const field = fieldOf(name);
    const schemes = field.visibleWhen?.AuthScheme;
    const asked = written('AuthScheme');
    return isFilled(field) && (!decided || asked === '' || !schemes || schemes.includes(asked));
  }

  /** What a deciding field says. */
  const said = (name) => valueOf(fieldOf(name));

  /** The values of the deciding fields that count, as the settings derive them, and how that of AuthScheme was found. */
  function counting() {
    const values = {};
    const found = {};
    for (const name of deciders) {
      found[name] = form.derivations[name].find(
        (each) =>
          each.of.includes(said(name)) &&
          (!each.given || each.given.some(isGiven)) &&
          !(each.absent ?? []).some(isGiven) &&
          holds(each.with, values),
      );
      values[name] = found[name]?.value ?? said(name);
    }
    const isOpen = written('AuthScheme') === '' && !found.AuthScheme?.given;
    return { values, isOpen };
  }

  /** Fields any of which, when filled, says how to log in where AuthScheme does not. */
  const entryPoints = form.derivations.AuthScheme.flatMap((each) => each.given ?? []);

  function isShown({ name, visibleWhen }, { values, isOpen }) {
    if (!decided && given.has(name)) return true; // nothing that is set is hidden before the user chooses
    if (isOpen && entryPoints.includes(name)) return true;
    return Object.entries(visibleWhen ?? {}).every(
      ([decider, allowed]) =>
        allowed.includes(values[decider]) || allowed.includes(said(decider)) || isVariable(said(decider)),
    );
  }

  const isRequired = ({ required, requiredWhen, instead = [] }, { values }) =>
    required === true ||
    ([requiredWhen ?? []].flat().some((each) => holds(each, values)) && !instead.some(isGiven));

  // --- what is shown -------------------------------------------------------------------------

  /** A choice that the list lacks, such as a variable, is kept; one in other letter case is found. */
  function keepStoredChoices(node) {
    for (const { name } of form.fields.filter(({ isChoice }) => isChoice)) {
      const stored = String(node[name] ?? '');
      if (written(name) === stored) continue;
      const options = input(name).find('option').toArray();
      const known = options.find(({ value }) => value.toLowerCase() === stored.toLowerCase());
      if (!known) input(name).append($('<option>').val(stored).text(stored));
      input(name).val(known?.value ?? stored);
    }
  }

  /** Shows the scheme that the settings read out of a certificate beside AzureServicePrincipal. */
  function showDerivedScheme() {
    const { values } = counting();
    if (written('AuthScheme') === 'AzureServicePrincipal') input('AuthScheme').val(values.AuthScheme);
  }

  /** Whether a login may need `field`; others are needed only by what their own section says. */
  const isOfLogin = ({ requiredWhen }) => [requiredWhen ?? []].flat().some((each) => 'AuthScheme' in each);

  const basicGroups = new Set(form.fields.filter(({ required }) => required).map(({ group }) => group));
  /** Groups of which a login needs some fields, and most people no others. */
  const loginGroups = new Set(
    form.fields
      .filter((field) => isOfLogin(field) && !basicGroups.has(field.group))
      .map(({ group }) => group),
  );

  /** Whether people look for `field` where its section counts at all. */
  const isAsked = (field, state) =>
    field.isCommon ||
    isRequired(field, state) ||
    given.has(field.name) ||
    isSet(field) ||
    (state.isOpen && entryPoints.includes(field.name));

  /** Shows the fields of one section; of a section of the login the others are a click away. */
  function showSection(group, state) {
    const fields = form.fields.filter((field) => field.group === group);
    const inUse = fields.filter((field) => isShown(field, state));
    const asked = inUse.filter((field) => isAsked(field, state));
    const isShort = loginGroups.has(group) && !expanded.has(group) && asked.length > 0;
    const shown = isShort ? asked : inUse;
    for (const field of fields) row(field).toggle(shown.includes(field));
    section(group).toggle(shown.length > 0);
    const more = inUse.length - shown.length;
    section(group)
      .find('.pg-entra-more')
      .toggle(more > 0)
      .text(`${more} more …`);
  }

  function showFields() {
    const state = counting();
    for (const group of new Set(form.fields.map((field) => field.group))) showSection(group, state);
    for (const field of form.fields) {
      row(field).toggleClass('pg-entra-required', isRequired(field, state));
      input(field.name).attr('aria-required', isRequired(field, state));
    }
    for (const name of deciders) {
      const value = name === 'AuthScheme' && state.isOpen ? 'found from the credential' : state.values[name];
      input(name).find('option[value=""]').text(`(${value})`);
    }
    // A login that chooses no way to get a token has none.
    $('#pg-entra-test-token').toggle(isShown(fieldOf('InitiateOAuth'), state));
  }

  /** Opens the sections of the login, and those in which something other than a default is set. */
  function openSections() {
    for (const field of form.fields) {
      if (field.required || isOfLogin(field) || given.has(field.name))
        section(field.group).prop('open', true);
    }
  }

  // --- what may be saved ---------------------------------------------------------------------

  const isInteger = (value, { minimum, maximum }) =>
    /^-?\d+$/.test(value) && Number(value) >= minimum && Number(value) <= maximum;

  /** For the editor: true, or what is wrong with `value`. It marks the field; the node can be saved all the same. */
  function check(field, { label, value, isEdited }) {
    if (value === '' || value === undefined || value === null)
      return isEdited && isRequired(field, counting()) ? `${label} is missing` : true;
    if (field.type !== 'integer' || isVariable(value) || isInteger(value, field)) return true;
    return `${label} must be a whole number from ${field.minimum} to ${field.maximum}`;
  }

  function definitionOf(field) {
    return {
      ...(field.secret ? { type: 'password' } : { value: field.initial }),
      label: field.title,
      ...(field.required && { required: true }),
      validate(value, { label }) {
        return check(field, { label, value, isEdited: this.id === editing });
      },
    };
  }

  const definitions = (fields) =>
    Object.fromEntries(fields.map((field) => [field.name, definitionOf(field)]));

  // What the user's choice hid does not apply: it must not stay behind and contradict what is shown.
  function clearHidden() {
    const state = counting();
    for (const field of form.fields.filter((each) => !isShown(each, state))) {
      if (field.type === 'boolean') input(field.name).prop('checked', field.initial);
      else input(field.name).val('');
    }
  }

  /** Whether the box of `field` shows a default that nobody chose. */
  const isOnlyShown = (field) => notGiven.includes(field) && !isSet(field);

  // The editor stores what its inputs hold; a default that was not given gets no input.
  function leaveOutDefaults() {
    for (const { name } of notGiven.filter(isOnlyShown)) input(name).remove();
  }

  // --- the tests -----------------------------------------------------------------------------

  /** Ends a test that runs and clears its result: it was of other values. */
  function forgetTest() {
    testing?.abort();
    testing = undefined;
    $('#pg-entra-report').empty();
  }

  /** Tests what a save would keep. */
  function test(tokenOnly) {
    forgetTest();
    const state = counting();
    const kept = form.fields.filter((field) => !isOnlyShown(field) && (!decided || isShown(field, state)));
    const properties = Object.fromEntries(kept.map((field) => [field.name, valueOf(field)]));
    const buttons = $('#pg-entra-test, #pg-entra-test-token').prop('disabled', true);
    $('#pg-entra-report').append($('<li>').text('testing …'));
    const request = $.ajax({
      url: 'pg-entra/test',
      method: 'POST',
      contentType: 'application/json',
      data: JSON.stringify({ id: editing, properties, tokenOnly }),
    });
    testing = request;
    const isCurrent = () => testing === request;
    request
      .done((report) => isCurrent() && showReport(report))
      .fail(({ status }) => isCurrent() && showTrouble(`The test could not be run (HTTP ${status}).`))
      .always(() => {
        buttons.prop('disabled', false);
        if (isCurrent()) $('#pg-entra-report')[0]?.scrollIntoView({ block: 'nearest' });
      });
  }

  function leave() {
    forgetTest();
    editing = undefined;
  }

  RED.nodes.registerType(form.type, {
    category: 'config',
    color: form.color,
    paletteLabel: form.paletteLabel,
    defaults: { name: { value: '' }, ...definitions(form.fields.filter(({ secret }) => !secret)) },
    credentials: definitions(form.fields.filter(({ secret }) => secret)),
    label() {
      return this.name || this.Server || form.title;
    },
    oneditprepare() {
      editing = this.id;
      decided = false;
      expanded = new Set();
      keepStoredChoices(this);
      notGiven = form.fields.filter(({ name, type }) => type === 'boolean' && this[name] === undefined);
      for (const { name, initial } of notGiven) input(name).prop('checked', initial);
      given = new Set(form.fields.filter(isSet).map(({ name }) => name));
      showDerivedScheme();
      openSections();
      showFields();
      for (const name of deciders) {
        input(name).on('change', ({ originalEvent }) => {
          decided ||= originalEvent !== undefined; // the editor triggers the event too
          openSections();
          $('#node-config-input-name').trigger('change'); // the editor checks all fields anew
        });
      }
      $('.pg-entra-form').on('input change', ':input', forgetTest).on('change', ':input', showFields);
      $('.pg-entra-more').on('click', ({ target }) => {
        expanded.add($(target).closest('details').attr('data-group'));
        showFields();
      });
      $('#pg-entra-test').on('click', () => test(false));
      $('#pg-entra-test-token').on('click', () => test(true));
    },
    oneditsave() {
      if (decided) clearHidden();
      leaveOutDefaults();
      leave();
    },
    oneditcancel: leave,
    oneditdelete: leave,
  });
}
