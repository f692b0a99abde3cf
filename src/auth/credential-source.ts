import { aborted, deadline, type Budget, type Clock } from '../clock.js';
import type { Diagnostics } from '../diagnostics.js';
import { asConnectorError, ConnectorError, isConnectorError, type ErrorCode } from '../errors.js';
import type { PropertyName } from '../settings/properties.js';
import { readSecretFile } from '../settings/references.js';
import { Secret } from '../settings/secret.js';
import type { CertificateCredential, CredentialSettings } from '../settings/settings.js';
import type { AssertionSigner } from './client-assertion.js';
import type { CredentialHealth, Facts } from './token-client.js';

/** What proves the application in one request. */
export type Credential =
  | { readonly kind: 'secret'; readonly secret: Secret; readonly placement: 'BASIC' | 'POST' }
  | { readonly kind: 'certificate'; readonly signer: AssertionSigner }
  | { readonly kind: 'assertion'; readonly assertion: Secret };

/** How long reading a credential may take, and who may give up earlier. */
export interface CredentialLimits {
  readonly budget: Budget;
  readonly signal?: AbortSignal | undefined;
}

/** One of two overlapping credentials. */
interface Candidate {
  readonly role: CredentialHealth['inUse'];
  readonly property: PropertyName;
  readonly read: (signal: AbortSignal) => Promise<Credential>;
  readonly expiresAtMs: (credential: Credential) => number | undefined;
  /** As it was last read without fault. */
  good: Credential | undefined;
}

/** What became of reading one credential. */
interface ReadOutcome {
  readonly property: PropertyName;
  readonly credential?: Credential;
  readonly error?: ConnectorError;
}

const DAY_MS = 86_400_000;
const WARN_DAYS = [1, 7, 30] as const;

/** Refusals that another credential may not meet. */
const CURED_BY_FALLBACK: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'WRONG_CLIENT_SECRET',
  'CLIENT_SECRET_EXPIRED',
  'CERTIFICATE_NOT_REGISTERED',
  'CERTIFICATE_REJECTED',
  'CERTIFICATE_EXPIRED',
  'CERTIFICATE_NOT_YET_VALID',
  'CLIENT_REFUSED',
  'ASSERTION_REFUSED',
]);

/**
 * The credential of one application, read anew for each request, so that a replaced file is used
 * from the next token on. While two credentials overlap, the one that worked last is tried first.
 */
export class CredentialSource {
  readonly #clock: Clock;
  readonly #diagnostics: Diagnostics;
  /** In the order they are tried. */
  #candidates: readonly Candidate[];
  #fallbackWarnedAtMs = -Infinity;
  #loaded = '';
  /** The fewest days that a warning of expiry has been given for, and for which credential. */
  #warned: { readonly expiresAtMs: number; readonly days: number } | undefined;

  constructor(settings: CredentialSettings, context: { clock: Clock; diagnostics: Diagnostics }) {
    this.#clock = context.clock;
    this.#diagnostics = context.diagnostics;
    this.#candidates = candidatesOf(settings, context.clock);
  }

  /**
   * What `work` gives with the credential of the moment. After a refusal that the other one of two
   * overlapping credentials may not meet, or when the first has expired, that one is tried, once.
   *
   * @throws ConnectorError of `work`; or CERTIFICATE_… and PROPERTY_FILE_UNREADABLE of reading
   */
  async use<T>(work: (credential: Credential) => Promise<T>, limits: CredentialLimits): Promise<T> {
    const [candidate, other] = this.#candidates;
    if (!candidate) throw new ConnectorError('CLIENT_CREDENTIAL_MISSING', {});
    try {
      return await this.#useOne(candidate, work, limits);
    } catch (error) {
      if (!other || !isConnectorError(error) || !CURED_BY_FALLBACK.has(error.code)) throw error;
      const result = await this.#useOne(other, work, limits).catch((second: unknown) => {
        throw this.#isNoCure(other, second) ? error : second;
      });
      this.#candidates = [other, candidate];
      this.#warnOfFallback(candidate, other, error.code);
      return result;
    }
  }

  /**
   * Reads and checks the credentials: the facts of the first that can be used, and what is wrong with
   * the other, so that a bad fallback is found on the day it is set.
   *
   * @throws ConnectorError of the first where none can be used
   */
  async check(limits: CredentialLimits): Promise<Facts> {
    const read: ReadOutcome[] = [];
    for await (const outcome of this.#readEach(limits)) read.push(outcome);
    const usable = read.find(({ credential }) => credential !== undefined);
    if (!usable) throw read[0]?.error ?? new ConnectorError('CLIENT_CREDENTIAL_MISSING', {});
    const problems = read.flatMap(({ property, error }) =>
      error ? [[`problemOf${property}`, `${error.code}: ${error.message}`] as const] : [],
    );
    return { ...factsOf(usable.credential), ...Object.fromEntries(problems) };
  }

  /** The first of two overlapping credentials that can be used, whichever was used last; no more is read. */
  async first(limits: CredentialLimits): Promise<Credential> {
    let failure: ConnectorError | undefined;
    for await (const { credential, error } of this.#readEach(limits)) {
      if (credential) return credential;
      failure ??= error;
    }
    throw failure ?? new ConnectorError('CLIENT_CREDENTIAL_MISSING', {});
  }

  /** What becomes of each credential, the first one first; each is read when it is asked for. */
  async *#readEach(limits: CredentialLimits): AsyncGenerator<ReadOutcome, void> {
    const inOrder = this.#candidates.toSorted((a, b) =>
      a.role === b.role ? 0 : a.role === 'first' ? -1 : 1,
    );
    for (const candidate of inOrder) {
      const { property } = candidate;
      let read: ReadOutcome;
      try {
        read = { property, credential: await this.#read(candidate, limits) };
      } catch (cause) {
        const error = asConnectorError(cause, limits.signal);
        const { code, message } = error;
        this.#diagnostics.report('credential.unusable', { property, code, message });
        read = { property, error };
      }
      yield read;
    }
  }

  health(): CredentialHealth | undefined {
    const [candidate] = this.#candidates;
    if (!candidate?.good) return undefined;
    const expiresAtMs = candidate.expiresAtMs(candidate.good);
    return {
      inUse: candidate.role,
      ...(expiresAtMs !== undefined && {
        expires: new Date(expiresAtMs).toISOString(),
        daysLeft: Math.floor((expiresAtMs - this.#clock.wallMs()) / DAY_MS),
      }),
    };
  }

  // What the first credential met is then the truth; the second is a matter of its own.
  #isNoCure({ property }: Candidate, error: unknown): boolean {
    if (!isConnectorError(error)) return false;
    const { code, message, type } = error;
    if (type !== 'POSTGRESQL:SETTINGS' && !CURED_BY_FALLBACK.has(code)) return false;
    this.#diagnostics.report('credential.unusable', { property, code, message });
    return true;
  }

  async #useOne<T>(
    candidate: Candidate,
    work: (credential: Credential) => Promise<T>,
    limits: CredentialLimits,
  ): Promise<T> {
    const credential = await this.#read(candidate, limits);
    this.#warnOfExpiry(candidate, credential);
    return work(credential);
  }

  // A half-written or wrong replacement leaves the credential in use that was good before.
  async #read(candidate: Candidate, limits: CredentialLimits): Promise<Credential> {
    try {
      const credential = await readInTime(candidate.read, limits, this.#clock);
      candidate.good = credential;
      this.#reportLoaded(credential);
      return credential;
    } catch (error) {
      const { good } = candidate;
      if (!good || !isConnectorError(error) || error.type !== 'POSTGRESQL:SETTINGS') throw error;
      if ((candidate.expiresAtMs(good) ?? Infinity) <= this.#clock.wallMs()) throw error;
      const { code, message } = error;
      this.#diagnostics.report('credential.kept', { property: candidate.property, code, message });
      return good;
    }
  }

  #reportLoaded(credential: Credential): void {
    if (credential.kind !== 'certificate') return;
    const { certificate, thumbprintSha256, notes } = credential.signer.entry;
    if (this.#loaded === thumbprintSha256) return;
    this.#loaded = thumbprintSha256;
    const subject = certificate.subject.replaceAll('\n', ', ');
    this.#diagnostics.report('certificate.loaded', { subject, validTo: certificate.validTo });
    for (const text of notes) this.#diagnostics.report('certificate.noted', { text });
  }

  #warnOfFallback(first: Candidate, used: Candidate, code: ErrorCode): void {
    const nowMs = this.#clock.wallMs();
    if (nowMs - this.#fallbackWarnedAtMs < DAY_MS) return;
    this.#fallbackWarnedAtMs = nowMs;
    this.#diagnostics.report('credential.fallback', { property: first.property, code, used: used.property });
  }

  #warnOfExpiry(candidate: Candidate, credential: Credential): void {
    const expiresAtMs = candidate.expiresAtMs(credential);
    if (expiresAtMs === undefined) return;
    const daysLeft = Math.floor((expiresAtMs - this.#clock.wallMs()) / DAY_MS);
    const days = WARN_DAYS.find((limit) => daysLeft <= limit);
    const told = this.#warned?.expiresAtMs === expiresAtMs ? this.#warned.days : Infinity;
    if (days === undefined || days >= told) return;
    this.#warned = { expiresAtMs, days };
    const date = new Date(expiresAtMs).toISOString();
    this.#diagnostics.report('credential.expires', { property: candidate.property, date, daysLeft });
  }
}

function candidatesOf(settings: CredentialSettings, clock: Clock): Candidate[] {
  if (settings.kind === 'assertion') {
    return [
      secretCandidate('first', 'OAuthClientAssertion', settings.assertion, (assertion) => ({
        kind: 'assertion',
        assertion,
      })),
    ];
  }
  if (settings.kind === 'certificate') {
    const { fallback } = settings;
    const first = certificateCandidate('first', 'OAuthJWTCert', settings, clock);
    if (!fallback) return [first];
    const second = { ...settings, store: fallback, type: 'AUTO' };
    return [first, certificateCandidate('fallback', 'OAuthJWTCertFallback', second, clock)];
  }
  const { secret, fallback, placement, expiresAtMs } = settings;
  const wrap = (value: Secret): Credential => ({ kind: 'secret', secret: value, placement });
  const first = secretCandidate('first', 'OAuthClientSecret', secret, wrap, expiresAtMs);
  return fallback
    ? [first, secretCandidate('fallback', 'OAuthClientSecretFallback', fallback, wrap)]
    : [first];
}

function secretCandidate(
  role: Candidate['role'],
  property: PropertyName,
  given: Secret,
  wrap: (value: Secret) => Credential,
  expiresAtMs?: number,
): Candidate {
  const { file } = given;
  return {
    role,
    property,
    good: undefined,
    expiresAtMs: () => expiresAtMs,
    read: () =>
      Promise.resolve(wrap(file === undefined ? given : new Secret(readSecretFile(property, file), file))),
  };
}

function certificateCandidate(
  role: Candidate['role'],
  property: PropertyName,
  settings: CertificateCredential,
  clock: Clock,
): Candidate {
  return {
    role,
    property,
    good: undefined,
    expiresAtMs: (credential) =>
      credential.kind === 'certificate' ? Date.parse(credential.signer.entry.certificate.validTo) : undefined,
    read: async (signal) => ({
      kind: 'certificate',
      signer: await readSigner(settings, property, clock, signal),
    }),
  };
}

async function readSigner(
  settings: CertificateCredential,
  property: PropertyName,
  clock: Clock,
  signal: AbortSignal,
): Promise<AssertionSigner> {
  const { store, type, password, keyPassword, subject, algorithm, sendChain } = settings;
  const { loadKeyStore } = await import('./key-store/index.js');
  const now = (): number => clock.wallMs();
  const options = { type: type as never, password, keyPassword, subject, now, signal, property };
  return { entry: await loadKeyStore(store.reveal(), options), algorithm, sendChain };
}

// Deriving the key of a store takes as long as the store says: the caller waits no longer than its limit.
async function readInTime(
  read: (signal: AbortSignal) => Promise<Credential>,
  { budget, signal }: CredentialLimits,
  clock: Clock,
): Promise<Credential> {
  const problem = `opening it took longer than ${String(budget.totalMs)} ms`;
  const limit = deadline(
    clock,
    budget.remainingMs(),
    () => new ConnectorError('CERTIFICATE_UNREADABLE', { problem }),
    signal,
  );
  try {
    limit.signal.throwIfAborted();
    return await Promise.race([read(limit.signal), aborted(limit.signal)]);
  } finally {
    limit.dispose();
  }
}

function factsOf(credential: Credential | undefined): Facts {
  if (credential?.kind !== 'certificate') return {};
  const { certificate, thumbprintSha1, thumbprintSha256, chain } = credential.signer.entry;
  return {
    subject: certificate.subject.replaceAll('\n', ', '),
    validTo: certificate.validTo,
    thumbprintSha1,
    thumbprintSha256,
    chainLength: chain.length,
  };
}
