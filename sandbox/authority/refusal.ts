import { randomUUID } from 'node:crypto';
import type { RefuseFault } from '../faults.js';
import type { Outcome } from '../http/route.js';
import { given, type Reading } from '../http/reading.js';
import { Refusal } from '../http/refusal.js';
import { aadsts, type AadstsCode, type AadstsRow } from './aadsts.js';

/** What a refusal's text says of the request. */
type Values = Readonly<Record<string, string | undefined>>;

/** The refusal with this AADSTS number, to be thrown. */
export const refusal = (code: AadstsCode, values: Values = {}): Refusal => {
  const { status, error, text } = aadsts[code];
  return new Refusal(status, error, fill(text, values), code);
};

/** The refusal that a fault asks for: what it leaves open comes from the table, filled from the request. */
export const scriptedRefusal = (fault: RefuseFault, { form, tenant, at }: Reading): Refusal => {
  const { code = 90033 } = fault;
  const row = (aadsts as Readonly<Record<number, AadstsRow>>)[code] ?? unlisted;
  const scope = given(form, 'scope');
  const time = new Date(at).toISOString();
  const text = fill(row.text, {
    tenant,
    scope,
    clientId: given(form, 'client_id'),
    grantType: given(form, 'grant_type'),
    resource: scope?.replace(/\/\.default$/, ''),
    now: time,
    reason: 'Refused by a scripted fault.',
  });
  return new Refusal(fault.status ?? row.status, fault.error ?? row.error, fault.message ?? text, code);
};

const unlisted: AadstsRow = {
  status: 400,
  error: 'temporarily_unavailable',
  text: 'Refused by a scripted fault.',
};

const fill = (text: string, values: Values): string =>
  text.replaceAll(/\{(\w+)\}/g, (_place, name: string) => values[name] ?? 'unknown').trimEnd();

/** A refusal as Entra writes it, field by field. */
export const entraRefusal = (
  { status, error, code, message }: Refusal,
  { at, correlationId }: Reading,
  origin: string,
): Outcome => {
  const traceId = randomUUID();
  const timestamp = entraTimestamp(at);
  const body = {
    error,
    error_description: `AADSTS${code}: ${message} Trace ID: ${traceId} Correlation ID: ${correlationId} Timestamp: ${timestamp}`,
    error_codes: [code],
    timestamp,
    trace_id: traceId,
    correlation_id: correlationId,
    error_uri: `${origin}/error?code=${code}`,
  };
  return { status, body };
};

/** `2026-11-21 18:40:00Z`, the form of times in refusals. */
const entraTimestamp = (ms: number): string =>
  `${new Date(ms).toISOString().replace('T', ' ').slice(0, 19)}Z`;
