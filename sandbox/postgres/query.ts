/** Runs one statement as superuser and gives its rows; `database` names another database than the first one. */
export type QueryRows = <Row = Record<string, unknown>>(
  sql: string,
  values?: readonly unknown[],
  options?: { readonly database?: string },
) => Promise<Row[]>;

/** A name as SQL takes it. */
export const quoteIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A text as SQL takes it where no parameter may stand. */
export const quoteLiteral = (text: string): string => `'${text.replaceAll("'", "''")}'`;
