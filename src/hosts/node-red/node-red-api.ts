/** The part of Node-RED's API for nodes that ours use; types only, so that nothing of it is loaded. */

/** A message as flows pass it on. */
export interface FlowMessage {
  _msgid?: string;
  payload?: unknown;
  [property: string]: unknown;
}

/** A node as flow files describe it, `${VAR}` substituted. */
export type NodeDefinition = Readonly<Record<string, unknown>> & {
  readonly id: string;
  readonly type: string;
};

/** The status line below a node. */
export interface NodeStatus {
  readonly fill: 'red' | 'green' | 'blue';
  readonly shape: 'ring' | 'dot';
  readonly text: string;
}

export type Send = (message: FlowMessage) => void;
export type Done = (error?: Error) => void;

/** Where lines of a log go, by level. */
export interface NodeRedLog {
  error(line: string): void;
  warn(line: string): void;
  info(line: string): void;
  debug(line: string): void;
}

/** A node in the running flow. */
export interface RuntimeNode {
  readonly id: string;
  readonly type: string;
  /** Of a node with a credential definition: what the store holds for it. */
  readonly credentials: Readonly<Record<string, string>>;
  on(event: 'input', listener: (message: FlowMessage, send: Send, done: Done) => void): void;
  on(event: 'close', listener: (done: () => void) => void): void;
  status(status: NodeStatus): void;
  error(problem: string | Error): void;
  warn(line: string): void;
  log(line: string): void;
  debug(line: string): void;
}

export interface AdminRequest {
  readonly body: unknown;
}

export interface AdminResponse {
  on(event: 'close', listener: () => void): void;
  status(code: number): AdminResponse;
  json(value: unknown): void;
}

/** Passes a request on, or answers it. */
type Guard = (request: never, response: never, next: () => void) => void;

/** What Node-RED gives to the function that registers a node. */
export interface NodeRedApi {
  readonly nodes: {
    registerType(
      type: string,
      constructor: (this: RuntimeNode, definition: NodeDefinition) => void,
      options?: { readonly credentials: Readonly<Record<string, { readonly type: 'password' }>> },
    ): void;
    createNode(node: RuntimeNode, definition: NodeDefinition): void;
    /** The running node, or nothing when it is not deployed. */
    getNode(id: string): RuntimeNode | null | undefined;
  };
  readonly util: {
    generateId(): string;
    cloneMessage(message: FlowMessage): FlowMessage;
    evaluateNodeProperty(value: string, type: 'env', node: RuntimeNode | undefined): unknown;
    evaluateNodeProperty(
      value: string,
      type: string,
      node: RuntimeNode,
      message: FlowMessage,
      callback: (error: Error | null | undefined, found: unknown) => void,
    ): void;
  };
  /** The log of the whole Node-RED. */
  readonly log: NodeRedLog;
  readonly auth: { needsPermission(permission: string): Guard };
  readonly httpAdmin: {
    post(path: string, guard: Guard, serve: (request: AdminRequest, response: AdminResponse) => void): void;
  };
}
