/**
 * Node-RED in a process of its own: started by `startNodeRed`, which sends the settings by IPC and
 * gets the port back. It ends when the channel closes, so that nothing stays behind its parent.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import RED from 'node-red';
import type { ProcessSettings } from './node-red.js';

type Handler = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

const server = createServer((request, response) => {
  const admin = RED.httpAdmin as unknown as Handler;
  const http = RED.httpNode as unknown as Handler;
  admin(request, response, () => http(request, response, () => response.writeHead(404).end()));
});

process.once('message', (settings: ProcessSettings) => {
  start(settings).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});
process.on('disconnect', () => {
  void stop();
});
// Ctrl-C reaches the whole group; the parent decides when this process ends.
process.on('SIGINT', () => undefined);

async function start({ userDirectory, credentialSecret, password }: ProcessSettings): Promise<void> {
  RED.init(server, {
    userDir: userDirectory,
    flowFile: 'flows.json',
    credentialSecret,
    httpAdminRoot: '/',
    httpNodeRoot: '/',
    uiHost: '127.0.0.1',
    ...(password !== undefined && { adminAuth: loginWith(password) }),
    // Nothing here calls beyond this machine.
    telemetry: { enabled: false, updateNotification: false },
    externalModules: { autoInstall: false, palette: { allowInstall: false } },
    editorTheme: {
      tours: false,
      palette: { editable: false, catalogues: [] },
      projects: { enabled: false },
      codeEditor: { lib: 'monaco' },
    },
    logging: { console: { level: 'info', metrics: false, audit: false } },
  } as unknown as Parameters<typeof RED.init>[1]);
  const firstFlows = new Promise((resolve) => RED.runtime.events.once('flows:started', resolve));
  await RED.start();
  await firstFlows;
  RED.runtime.events.on('flows:started', () => process.send?.({ flowsStarted: true }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.send?.({ port: (server.address() as AddressInfo).port });
}

async function stop(): Promise<void> {
  setTimeout(() => process.exit(1), 8_000).unref();
  await RED.stop().catch(() => undefined);
  process.exit(0);
}

/** One user, `admin`, who may do everything. */
function loginWith(password: string): object {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const admin = { username: 'admin', permissions: '*' };
  return {
    type: 'credentials',
    users: async (name: string) => (name === admin.username ? admin : null),
    authenticate: async (name: string, given: string) =>
      name === admin.username && timingSafeEqual(digest(given), digest(password)) ? admin : null,
  };
}
