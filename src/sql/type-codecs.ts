/**
 * A timestamp as ISO 8601 with all its microseconds: `2026-11-21 18:33:01.123456+00` becomes
 * `2026-11-21T18:33:01.123456Z`. What ISO 8601 cannot say (infinity, BC) stays as the server
 * wrote it. The session runs with DateStyle ISO; in another TimeZone than UTC the offset stays, with
 * its minutes.
 */
export function isoTimestamp(text: string): string {
  const parts = /^(\d{4,6}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,6})?)([+-]\d\d(?::\d\d)?)?$/.exec(text);
  if (!parts) return text;
  const [, date = '', time = '', offset = ''] = parts;
  return `${date}T${time}${isoOffset(offset)}`;
}

function isoOffset(offset: string): string {
  if (offset === '+00') return 'Z';
  return offset.length === 3 ? `${offset}:00` : offset;
}
