import {
  ERROR_TYPES,
  ERRORS,
  type ErrorCode,
  type ErrorFacts,
  type ErrorType,
  type ExitCode,
} from './error-table.js';

export type { ErrorCode, ErrorType, ExitCode } from './error-table.js';

/** Names in braces in `Text`. */
export type Placeholders<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholders<Rest>
  : never;

type DetailName<Code extends ErrorCode> =
  Placeholders<(typeof ERRORS)[Code]['message']> | Placeholders<(typeof ERRORS)[Code]['cure']>;

/** What a throw of `Code` must say: a value for each placeholder of its row. */
export type ErrorDetails<Code extends ErrorCode> = Readonly<Record<DetailName<Code>, string | number>>;

/** Facts of the failing exchange that a caller can act upon; each is absent where it does not apply. */
export interface ErrorContext {
  /** The five characters of SQLSTATE (PostgreSQL documentation, appendix A). */
  readonly sqlState?: string | undefined;
  /** The `error` member of an OAuth error answer (RFC 6749 section 5.2). */
  readonly oauthError?: string | undefined;
  /** Number behind "AADSTS" in the answer of Microsoft Entra ID. */
  readonly aadsts?: number | undefined;
  /** Correlation id of the token request, for the administrator of the tenant. */
  readonly correlationId?: string | undefined;
  /** How long the peer asked to wait, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** Names of the properties to look at. */
  readonly properties?: readonly string[] | undefined;
  /** Where in the statement the server saw the error, in characters from 1. */
  readonly position?: number | undefined;
  readonly schema?: string | undefined;
  readonly table?: string | undefined;
  readonly column?: string | undefined;
  readonly constraint?: string | undefined;
  /** Overrides the table where the peer's answer decides it. */
  readonly retryable?: boolean | undefined;
  /** The error underneath. Only its name, code and (masked) message are kept. */
  readonly cause?: unknown;
}

const BRAND = Symbol.for('@pg-entra/connector.ConnectorError');

/**
 * The only error the connector throws. `type` is what a flow catches, `code` names the cause,
 * `message` says what happened and `cure` what to do next.
 *
 * It never carries a secret, a token, an assertion, row data or an object of another library.
 */
export class ConnectorError<Code extends ErrorCode = ErrorCode> extends Error {
  readonly type: ErrorType;
  readonly code: Code;
  readonly cure: string;
  readonly retryable: boolean;
  declare readonly sqlState?: string;
  declare readonly oauthError?: string;
  declare readonly aadsts?: number;
  declare readonly correlationId?: string;
  declare readonly retryAfterMs?: number;
  declare readonly properties?: readonly string[];
  declare readonly position?: number;
  declare readonly schema?: string;
  declare readonly table?: string;
  declare readonly column?: string;
  declare readonly constraint?: string;

  constructor(code: Code, details: ErrorDetails<Code>, context: ErrorContext = {}) {
    const facts: ErrorFacts = ERRORS[code];
    const { cause, retryable, ...extras } = context;
    super(fill(facts.message, details), cause === undefined ? undefined : { cause: plainCause(cause) });
    this.type = facts.type;
    this.code = code;
    this.cure = fill(facts.cure, details);
    this.retryable = retryable ?? facts.retryable;
    for (const [name, value] of Object.entries(extras)) {
      if (value !== undefined) Object.defineProperty(this, name, { value, enumerable: true });
    }
  }

  get [BRAND](): true {
    return true;
  }

  override get name(): string {
    return 'ConnectorError';
  }

  /** The form the shell, `msg.error` and `TestReport` carry. */
  toJSON(): object {
    const { type, code, message } = this;
    return Object.assign({ type, code, message }, this);
  }
}

/** Tells our errors from all others, also across two loaded copies of this package. */
export function isConnectorError(value: unknown): value is ConnectorError {
  return typeof value === 'object' && value !== null && BRAND in value;
}

/**
 * `error` itself where it is ours; CANCELLED where it is what `signal` was aborted with; anything
 * else as INTERNAL with the original as its cause.
 */
export function asConnectorError(error: unknown, signal?: AbortSignal): ConnectorError {
  if (isConnectorError(error)) return error;
  if (signal?.aborted === true && error === signal.reason) {
    return new ConnectorError('CANCELLED', {}, { cause: error });
  }
  return new ConnectorError('INTERNAL', { problem: describe(error) }, { cause: error });
}

/** True for `type` itself and for everything below it in {@link ERROR_TYPES}. */
export function isOfType(error: ConnectorError, type: ErrorType): boolean {
  for (let at: string | null = error.type; at !== null; at = ERROR_TYPES[at as ErrorType].parent) {
    if (at === type) return true;
  }
  return false;
}

/** The exit code of the shell for `error`. */
export function exitCodeOf(error: { readonly type: ErrorType }): ExitCode {
  return ERROR_TYPES[error.type].exitCode;
}

const MESSAGE_LIMIT = 1_000;
/** What never leaves in a message, and what stands in its place. Opaque secrets are known by their names only. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/\b(client_secret|client_assertion|assertion|\w+_token|password)(=|%3D)[^&\s"]+/gi, '$1$2***'],
  [
    /\b(client_secret|client_assertion|assertion|\w+_token|password)(\\*":\s*\\*")(?:\\.|[^"\\])+/gi,
    '$1$2***',
  ],
  [/\b(Basic|Bearer) +[\w.~+/-]{16,}=*/gi, '$1 ***'],
  // base64url of a JSON object, the start of a JWT (an access token or an assertion), cut off or
  // not; then the same in base64 and in hexadecimal.
  [/eyJ[\w-]{10,}(?:\.[\w-]*)*/g, '***'],
  [/ZXlK[\w+/-]{10,}=*/g, '***'],
  [/65794a[\da-f]{20,}/gi, '***'],
];
const CONTROL = /[\p{Cc}\p{Surrogate}\p{Bidi_Control}\u2028\u2029]/gu;

/**
 * Foreign text made fit for a message: tokens and secret form fields masked, control and
 * direction characters escaped (no forged log lines), at most 1,000 characters.
 */
export function printable(text: string): string {
  const masked = SECRETS.reduce(
    (rest, [secret, mask]) => rest.replace(secret, mask),
    text.slice(0, 4 * MESSAGE_LIMIT),
  );
  const escaped = masked.replace(CONTROL, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return escaped.length > MESSAGE_LIMIT ? `${escaped.slice(0, MESSAGE_LIMIT).toWellFormed()}…` : escaped;
}

/** One line about any thrown value, fit for a message; never throws. */
export function describe(error: unknown): string {
  try {
    if (!(error instanceof Error)) return printable(String(error));
    const code = (error as { code?: unknown }).code;
    const { message }: { readonly message: unknown } = error;
    const text = String(message === '' ? error.name : message);
    return printable(typeof code === 'string' && !text.includes(code) ? `${code}: ${text}` : text);
  } catch {
    return 'a value without a text';
  }
}

/** `template` with `{name}` replaced by the details, made fit for a message. */
export function fill(template: string, details: Readonly<Record<string, string | number>>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = details[name];
    return typeof value === 'number' ? String(value) : printable(String(value));
  });
}

function plainCause(cause: unknown): Error {
  if (isConnectorError(cause)) return cause;
  const plain = new Error(describe(cause));
  plain.name = cause instanceof Error ? cause.name : 'Error';
  delete plain.stack;
  return plain;
}
