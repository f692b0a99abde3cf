import { X509Certificate, createHash, randomBytes } from 'node:crypto';

/** A client secret of an app. */
export interface ClientSecret {
  readonly value: string;
  expired: boolean;
}

/** A certificate registered on an app. */
export interface RegisteredCertificate {
  readonly certificate: X509Certificate;
  /** Digests of its DER form as base64url: JWS `x5t` and `x5t#S256`. */
  readonly thumbprintSha1: string;
  readonly thumbprintSha256: string;
  expired: boolean;
}

/** Whose certificates an app takes without knowing them one by one (subject name and issuer, "SN+I"). */
export interface TrustedSubject {
  /** Certificate of the CA, PEM. */
  readonly ca: string;
  /** Common name that the certificate must have. */
  readonly subject: string;
}

/** Whose tokens an app takes in the place of its own credentials (workload identity federation). */
export interface FederatedCredential {
  readonly issuer: string;
  readonly subject: string;
  readonly audience: string;
}

/** What an app starts with. */
export interface InitialCredentials {
  /** Certificates, PEM. */
  readonly certificates?: readonly string[];
  readonly federated?: readonly FederatedCredential[];
}

/** Everything by which an app can prove who it is. */
export class Credentials {
  secrets: ClientSecret[] = [];
  certificates: RegisteredCertificate[] = [];
  trustedSubjects: readonly TrustedSubject[] = [];
  federated: readonly FederatedCredential[] = [];
  readonly #initial: InitialCredentials;
  readonly #firstSecret: string;

  constructor(initial: InitialCredentials = {}) {
    this.#initial = initial;
    this.#firstSecret = randomSecret();
    this.reset();
  }

  /** The secret that the app was registered with. */
  get firstSecret(): string {
    return this.#firstSecret;
  }

  /** Adds a secret beside those there are; gives its value. */
  addSecret(): string {
    const secret = newSecret(randomSecret());
    this.secrets.push(secret);
    return secret.value;
  }

  removeSecret(value: string): void {
    this.secrets = this.secrets.filter((secret) => secret.value !== value);
  }

  /** Registers a certificate (PEM) beside those there are. */
  addCertificate(pem: string): void {
    this.certificates.push(registeredCertificate(pem));
  }

  removeCertificate(pem: string): void {
    const { thumbprintSha256 } = registeredCertificate(pem);
    this.certificates = this.certificates.filter((known) => known.thumbprintSha256 !== thumbprintSha256);
  }

  expireCertificate(pem: string, expired: boolean): void {
    const { thumbprintSha256 } = registeredCertificate(pem);
    for (const known of this.certificates)
      if (known.thumbprintSha256 === thumbprintSha256) known.expired = expired;
  }

  /** Puts back what the app started with. */
  reset(): void {
    this.secrets = [newSecret(this.#firstSecret)];
    this.certificates = (this.#initial.certificates ?? []).map(registeredCertificate);
    this.trustedSubjects = [];
    this.federated = this.#initial.federated ?? [];
  }
}

const newSecret = (value: string): ClientSecret => ({ value, expired: false });

/** The first certificate of a PEM text, which may hold a key as well. */
const registeredCertificate = (pem: string): RegisteredCertificate => {
  const certificate = new X509Certificate(pem.slice(Math.max(0, pem.indexOf('-----BEGIN CERTIFICATE'))));
  const digest = (algorithm: string) => createHash(algorithm).update(certificate.raw).digest('base64url');
  return { certificate, thumbprintSha1: digest('sha1'), thumbprintSha256: digest('sha256'), expired: false };
};

/** 40 characters, shaped like Entra's: the version mark `8Q~` and letters from [A-Za-z0-9._~-]. */
const randomSecret = (): string => {
  const letters = randomBytes(48).toString('base64url');
  return `${letters.slice(0, 3)}8Q~${letters.slice(3, 20)}.${letters.slice(20, 35)}~`;
};
