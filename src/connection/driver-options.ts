import type { Duplex } from 'node:stream';

/** What `pg`, and every pool over it, takes to connect as the connector does. */
export interface DriverOptions {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** For the driver, over `stream`, in a login by password; in all other hands it rejects with POOL_OPTIONS_CHANGED. */
  readonly password: () => Promise<string>;
  /** TLS is inside `stream`. */
  readonly ssl: false;
  /** A new stream for one connection, which reaches the server and logs in by itself. */
  readonly stream: () => Duplex;
  readonly application_name: string;
  /** What properties such as `TimeZone` and `Readonly` ask of a session, as the server's command line has it. */
  readonly options: string | undefined;
  readonly enableChannelBinding: true;
}
