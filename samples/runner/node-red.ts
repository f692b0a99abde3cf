import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One node of a Node-RED flow file. */
export interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly [property: string]: unknown;
}

/** Secrets of a config node, which stand in no flow file: node id to property to value. */
export type FlowCredentials = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** How Node-RED is to start. */
export interface NodeRedOptions {
  /** Variables of its process, beside a few that every process needs. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Folder of the package to offer to it as `@pg-entra/connector`; none when absent. */
  readonly packageFolder?: string;
  /** Its folder; a new temporary one, removed at the end, when absent. */
  readonly userDirectory?: string;
  /** Password of the user `admin`; anybody on this machine may do everything when absent. */
  readonly password?: string;
}

/** What the process is told by IPC, never on its command line. */
export interface ProcessSettings {
  readonly userDirectory: string;
  readonly credentialSecret: string;
  readonly password: string | undefined;
}

/** A request to a flow or to the admin API. */
export interface Call {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** How long the whole answer may take; 30 s when absent. */
  readonly limitMs?: number;
}

/** A running Node-RED of our own. */
export interface NodeRed {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly userDirectory: string;
  readonly pid: number;
  /** Replaces all flows; `deployment` as in the admin API. Resolves when they have started. */
  deploy(flows: readonly FlowNode[], credentials?: FlowCredentials, deployment?: string): Promise<void>;
  /** A request with the password's token, where there is one. Rejects when the answer takes too long. */
  call(path: string, call?: Call): Promise<Response>;
  /** What the process wrote so far. */
  output(): string;
  close(): Promise<void>;
}

const START_LIMIT_MS = 60_000;

/** A Node-RED in a child process on a free port of 127.0.0.1. It ends with this process, however that ends. */
export async function startNodeRed(options: NodeRedOptions = {}): Promise<NodeRed> {
  const userDirectory = options.userDirectory ?? mkdtempSync(join(tmpdir(), 'pg-entra-node-red-'));
  if (options.packageFolder !== undefined) linkPackage(userDirectory, options.packageFolder);
  writePackageFile(userDirectory);
  const child = startProcess(userDirectory, options.environment ?? {});
  const output = collectOutput(child);
  const settings: ProcessSettings = {
    userDirectory,
    credentialSecret: randomBytes(24).toString('hex'),
    password: options.password,
  };
  const close = async (): Promise<void> => {
    await endProcess(child);
    if (options.userDirectory === undefined) rmSync(userDirectory, { recursive: true, force: true });
  };
  try {
    const url = `http://127.0.0.1:${String(await portOf(child, settings, output))}`;
    const token = options.password === undefined ? undefined : await logIn(url, options.password);
    const api = new AdminApi(url, token, () => flowsStarted(child, output));
    return {
      url,
      userDirectory,
      pid: child.pid ?? 0,
      deploy: (...given) => api.deploy(...given),
      call: (...given) => api.call(...given),
      output,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function linkPackage(userDirectory: string, packageFolder: string): void {
  const link = join(userDirectory, 'node_modules/@pg-entra/connector');
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(packageFolder, link, 'junction');
}

// Node-RED would write one itself; an installed package has brought its own.
function writePackageFile(userDirectory: string): void {
  const content = { name: 'node-red-project', private: true, dependencies: {} };
  try {
    writeFileSync(join(userDirectory, 'package.json'), JSON.stringify(content), { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

const INHERITED = ['PATH', 'HOME', 'TMPDIR', 'TEMP', 'TMP', 'SystemRoot', 'LANG', 'TZ'];

function startProcess(userDirectory: string, environment: Readonly<Record<string, string>>): ChildProcess {
  const program = fileURLToPath(new URL('node-red-process.js', import.meta.url));
  const inherited = INHERITED.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return fork(program, [], {
    cwd: userDirectory,
    env: { ...Object.fromEntries(inherited), ...environment },
    execArgv: [],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
}

const KEPT_OUTPUT = 200_000;

function collectOutput(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-KEPT_OUTPUT);
    });
  }
  return () => text;
}

function portOf(child: ChildProcess, settings: ProcessSettings, output: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      clearTimeout(timer);
      reject(new Error(`Node-RED did not start: ${reason}\n${output().slice(-4_000)}`));
    };
    const timer = setTimeout(() => {
      fail(`no answer within ${String(START_LIMIT_MS / 1_000)} s`);
    }, START_LIMIT_MS);
    child.once('error', (error) => {
      fail(error.message);
    });
    child.once('exit', (code) => {
      fail(`it ended with code ${String(code)}`);
    });
    child.once('message', (message) => {
      clearTimeout(timer);
      resolve((message as { port: number }).port);
    });
    child.send(settings);
  });
}

const DEPLOY_LIMIT_MS = 30_000;

// The admin API answers a little before the nodes listen.
function flowsStarted(child: ChildProcess, output: () => string): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (problem?: string): void => {
      clearTimeout(timer);
      child.off('message', onMessage).off('exit', onExit);
      if (problem === undefined) resolve();
      else reject(new Error(`the flows did not start: ${problem}\n${output().slice(-4_000)}`));
    };
    const onMessage = (message: unknown): void => {
      if ((message as { flowsStarted?: true }).flowsStarted) settle();
    };
    const onExit = (): void => settle('Node-RED ended');
    const timer = setTimeout(() => settle('no sign of them'), DEPLOY_LIMIT_MS);
    child.on('message', onMessage).on('exit', onExit);
  });
}

const END_LIMIT_MS = 15_000;

function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), END_LIMIT_MS);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    if (child.connected) child.disconnect();
  });
}

const CALL_LIMIT_MS = 30_000;

async function logIn(url: string, password: string): Promise<string> {
  const response = await fetch(`${url}/auth/token`, {
    method: 'POST',
    signal: AbortSignal.timeout(CALL_LIMIT_MS),
    body: new URLSearchParams({
      client_id: 'node-red-admin',
      grant_type: 'password',
      scope: '*',
      username: 'admin',
      password,
    }),
  });
  if (!response.ok) throw new Error(`Node-RED refused the login: HTTP ${String(response.status)}`);
  return ((await response.json()) as { access_token: string }).access_token;
}

class AdminApi {
  readonly #url: string;
  readonly #token: string | undefined;
  readonly #flowsStarted: () => Promise<void>;

  constructor(url: string, token: string | undefined, nextFlowsStarted: () => Promise<void>) {
    this.#url = url;
    this.#token = token;
    this.#flowsStarted = nextFlowsStarted;
  }

  async deploy(
    flows: readonly FlowNode[],
    credentials: FlowCredentials = {},
    deployment = 'full',
  ): Promise<void> {
    const withCredentials = flows.map((node) =>
      credentials[node.id] === undefined ? node : { ...node, credentials: credentials[node.id] },
    );
    const started = this.#flowsStarted();
    started.catch(() => undefined);
    const response = await this.call('/flows', {
      method: 'POST',
      body: { flows: withCredentials },
      headers: { 'node-red-api-version': 'v2', 'node-red-deployment-type': deployment },
    });
    if (!response.ok)
      throw new Error(`the flows were refused: HTTP ${String(response.status)} ${await response.text()}`);
    await started;
  }

  async call(path: string, call: Call = {}): Promise<Response> {
    const { method = 'GET', body, headers = {}, limitMs = CALL_LIMIT_MS } = call;
    const answer = fetch(this.#url + path, {
      method,
      signal: AbortSignal.timeout(limitMs),
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return answer.catch((error: unknown) => {
      if ((error as Error).name !== 'TimeoutError') throw error;
      throw new Error(`${method} ${path} was not answered within ${String(limitMs / 1_000)} s`);
    });
  }
}
