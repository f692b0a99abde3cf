/**
 * A connection string of these properties, in their order. A value is put in double quotes, with quotes inside
 * doubled, when it is empty, holds `;`, `=` or a quote, or starts or ends with white space (ADO.NET's rules).
 */
export const connectionString = (properties: Readonly<Record<string, string | number>>): string =>
  Object.entries(properties)
    .map(([name, value]) => `${name}=${quoteValue(String(value))}`)
    .join(';');

const quoteValue = (value: string): string =>
  value === '' || /[;="']|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
