/** A request that a service refuses. Thrown by whoever finds the fault; each service writes it down in its own form. */
export class Refusal extends Error {
  /** HTTP status. */
  readonly status: number;
  /** OAuth error (RFC 6749 section 5.2), or the service's own. */
  readonly error: string;
  /** The AADSTS number; undefined for services that have none. */
  readonly code: number | undefined;

  constructor(status: number, error: string, message: string, code?: number) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.error = error;
    this.code = code;
  }
}
