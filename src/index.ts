/** The public surface of `@pg-entra/connector`: these names and no others. */
export {
  createConnector,
  poolOptions,
  testConnection,
  tokenPassword,
  type CallOptions,
  type Connector,
  type ConnectorOptions,
  type Health,
  type StreamOptions,
} from './connector.js';
export { loadKeyStore, type KeyStoreEntry } from './auth/key-store/index.js';
export type { TokenHealth } from './auth/token-source.js';
export { systemClock, type Clock } from './clock.js';
export type { PoolCounts } from './connection/pool.js';
export type { DriverOptions } from './connection/driver-options.js';
export type { ConnectionProvider, Validation } from './connection/provider.js';
export type { Field, Row } from './connection/rows.js';
export type { Session } from './connection/session.js';
export type { Logger } from './diagnostics.js';
export { VERBOSITIES, type Verbosity } from './event-table.js';
export {
  ConnectorError,
  exitCodeOf,
  isConnectorError,
  type ErrorCode,
  type ErrorType,
  type ExitCode,
} from './errors.js';
export { renderManifest, manifest, type Manifest } from './manifest.js';
export { messageOf, type Message } from './message.js';
export type { Result } from './operations/run.js';
export {
  formatConnectionString,
  parseConnectionString,
  type RawProperties,
} from './settings/connection-string.js';
export { Secret } from './settings/secret.js';
export {
  explainSettings,
  resolveSettings,
  type ConnectionProperties,
  type EffectiveProperty,
  type ResolvedSettings,
  type Settings,
} from './settings/settings.js';
export { createRoleSql, type RolePrincipal } from './sql/role.js';
export type { StageName, StageReport, TestReport } from './stage-walk.js';
export type { TestOptions } from './test-connection.js';
