import type { ServerSettings } from '../settings/settings.js';

// Every setting that changes the form of a result is said at login, where it outranks the
// defaults of role and database.
const FORM_OF_RESULTS = [
  'DateStyle=ISO',
  'IntervalStyle=iso_8601',
  'extra_float_digits=1',
  'bytea_output=hex',
  'standard_conforming_strings=on',
];

/** The startup parameter `options` of our own sessions. */
export function sessionSettings(server: ServerSettings): string {
  return asOptions([...askedSettings(server), ...FORM_OF_RESULTS]);
}

/** The startup parameter `options` of sessions whose results others read: what the properties ask for, and no more. */
export function foreignSessionSettings(server: ServerSettings): string {
  return asOptions(askedSettings(server));
}

function askedSettings({ timeZone, readOnly }: ServerSettings): readonly string[] {
  return [`TimeZone=${timeZone}`, ...(readOnly ? ['default_transaction_read_only=on'] : [])];
}

function asOptions(settings: readonly string[]): string {
  return settings.map((setting) => `-c ${setting}`).join(' ');
}
