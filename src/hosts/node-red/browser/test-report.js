/* global $ */
/** Runs in the editor: shows the report of a connection test in the dialog of the connection node. */
export function showReport({ ok, stages }) {
  const list = $('#pg-entra-report').empty();
  for (const stage of stages.filter(({ status }) => status !== 'skipped')) list.append(stageLine(stage));
  for (const [reason, names] of skippedBy(stages))
    list.append($('<li class="pg-entra-skipped">').text(`${reason}: ${names.join(', ')}`));
  if (ok) list.append($('<li class="pg-entra-result pg-entra-passed">').text(resultOf(stages)));
}

/** Names of the skipped stages by the reason. */
function skippedBy(stages) {
  const byReason = new Map();
  for (const { name, status, detail } of stages) {
    if (status === 'skipped') byReason.set(detail.reason, [...(byReason.get(detail.reason) ?? []), name]);
  }
  return byReason;
}

function resultOf(stages) {
  const detailOf = (name) => stages.find((stage) => stage.name === name)?.detail ?? {};
  const { supplied, lifetimeSeconds } = detailOf('token');
  const life = lifetimeSeconds < 120 ? `${lifetimeSeconds} s` : `${Math.floor(lifetimeSeconds / 60)} min`;
  const { serverVersion, role, database } = detailOf('privileges');
  if (serverVersion === undefined && supplied)
    return 'The supplied token was only looked at: whether it works, the database decides.';
  if (serverVersion === undefined && lifetimeSeconds === undefined)
    return 'Only the settings were tested: this login has no token.';
  if (serverVersion === undefined) return `Token works: valid for ${life}. The database was not asked.`;
  const token = lifetimeSeconds === undefined ? [] : [`token valid for ${life}`];
  const facts = [`PostgreSQL ${serverVersion}`, `role ${role}`, `database ${database}`, ...token];
  return `Connection works: ${facts.join(', ')}.`;
}

/** Times of tokens are seconds since 1970. */
const factText = (fact, value) =>
  fact.endsWith('At') && Number.isInteger(value) ? new Date(value * 1000).toISOString() : value;

// Texts of servers are shown as text nodes only.
function stageLine({ name, status, ms, detail, error }) {
  const passed = status === 'passed';
  const line = $('<li>').addClass(`pg-entra-${status}`).attr('data-stage', name);
  line.append($('<i>').addClass(passed ? 'fa fa-check' : 'fa fa-times'));
  line.append($('<b>').text(name), $('<span class="pg-entra-ms">').text(`${ms} ms`));
  const facts = Object.entries(detail ?? {}).filter(([, value]) => typeof value !== 'object');
  if (facts.length > 0) {
    const text = facts.map(([fact, value]) => `${fact} ${factText(fact, value)}`).join(' · ');
    line.append($('<span class="pg-entra-detail">').text(text).attr('title', text));
  }
  if (error) {
    line.append($('<div class="pg-entra-message">').text(error.message));
    line.append($('<div class="pg-entra-cure">').text(error.cure));
    line.append($('<code>').text(error.code));
  }
  return line;
}

export function showTrouble(text) {
  $('#pg-entra-report').empty().append($('<li class="pg-entra-failed">').text(text));
}
