import { chmod, chown, cp, lchown, mkdir, readdir, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { makePlace, type Place } from '#sandbox/place.js';
import { locatePackage, prepareBinaries } from '#sandbox/postgres/binaries.js';
import { installPasswordRoles } from '#sandbox/postgres/password-roles.js';
import {
  resumePostgres,
  startPostgres,
  type Postgres,
  type PostgresParts,
} from '#sandbox/postgres/server.js';
import { Undoing } from '#sandbox/undoing.js';

/** A real server that listens on loopback, without TLS. */
export interface PairedServer extends Postgres {
  /** TCP port on 127.0.0.1. */
  readonly tcpPort: number;
}

/** A primary, and a standby that is a copy of it and waits in recovery (it receives nothing). */
export interface ServerPair {
  readonly primary: PairedServer;
  readonly standby: PairedServer;
  /** A role that both ask for this password by SCRAM. */
  readonly role: string;
  readonly password: string;
  close(): Promise<void>;
}

const SETTINGS = { wal_level: 'replica' };
const ROLE = { role: 'flow', password: 'flow-password' };

/** Starts both; about two seconds. */
export async function startServerPair(): Promise<ServerPair> {
  const undoing = new Undoing();
  try {
    const primaryParts = await newParts(undoing);
    const standbyParts = await newParts(undoing);
    const template = await startPostgres(primaryParts);
    const roles = await installPasswordRoles(template.query);
    await roles.create(ROLE.role, ROLE.password, 'postgres');
    await template.query(`grant sandbox_login_scram to ${ROLE.role}`);
    await template.query(`create table note (id int); grant all on note to ${ROLE.role}`);
    await template.stop();
    await copyCluster(primaryParts, standbyParts);
    const [primary, standby] = await Promise.all([
      start(primaryParts, undoing),
      start(standbyParts, undoing),
    ]);
    return { primary, standby, ...ROLE, close: () => undoing.run() };
  } catch (error) {
    await undoing.run().catch(() => undefined);
    throw error;
  }
}

async function newParts(undoing: Undoing): Promise<PostgresParts> {
  const place: Place = await makePlace(os.tmpdir(), undoing);
  const { postgres: directory, socket: socketDirectory, account } = place;
  const binaries = await prepareBinaries(locatePackage(), path.join(directory, 'programs'), account);
  return { binaries, account, directory, socketDirectory, settings: SETTINGS };
}

async function copyCluster(from: PostgresParts, to: PostgresParts): Promise<void> {
  const data = path.join(to.directory, 'data');
  await mkdir(data, { mode: 0o700 });
  await cp(path.join(from.directory, 'data'), data, { recursive: true });
  await writeFile(path.join(data, 'standby.signal'), '');
  await chmod(data, 0o700);
  const { account } = to;
  if (!account) return;
  const files = await readdir(data, { recursive: true });
  await Promise.all(files.map((file) => lchown(path.join(data, file), account.uid, account.gid)));
  await chown(data, account.uid, account.gid);
}

async function start(parts: PostgresParts, undoing: Undoing): Promise<PairedServer> {
  const postgres = await resumePostgres(parts);
  undoing.add(() => postgres.stop());
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const backend = connect({ path: postgres.socket });
    for (const [socket, other] of [
      [client, backend],
      [backend, client],
    ] as const) {
      sockets.add(socket);
      socket
        .on('error', () => undefined)
        .on('close', () => {
          sockets.delete(socket);
          other.destroy();
        });
      socket.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  undoing.add(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(() => resolve()));
  });
  return { ...postgres, tcpPort: (server.address() as AddressInfo).port };
}
