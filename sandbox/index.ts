import { assembleSandbox } from './assembly.js';
import type { Sandbox, SandboxOptions } from './sandbox.js';

export type { AuthorityRequest } from './authority/request-log.js';
export type { GateLogin } from './gate/login-log.js';
export type { Application, Sandbox } from './sandbox.js';

/**
 * A running sandbox on free ports of 127.0.0.1. Rejects, with nothing left behind, if a part of it cannot start.
 * It keeps the process alive until `close()`; should the process die without it, a watchdog stops PostgreSQL
 * and removes the files.
 */
export const startSandbox = (options: SandboxOptions = {}): Promise<Sandbox> => assembleSandbox(options);
