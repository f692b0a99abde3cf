import { spawn } from 'node:child_process';

/** A process that waits for ours to die. */
export interface Watchdog {
  /** Sends it away; resolves once it is gone. */
  dismiss(): Promise<void>;
}

/**
 * Waits on a pipe that only our process holds open. A line says that all is well; the end of the pipe says that we
 * died without cleaning up: then PostgreSQL is told to quit at once and the folders are removed. The second removal
 * catches what an initdb that was still running has written.
 */
const script = `
trap '' INT TERM HUP
read -r farewell && exit 0
pidfile=$1; shift
pid=$(head -n 1 "$pidfile" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
tries=0
while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && [ $tries -lt 50 ]; do tries=$((tries + 1)); sleep 0.1; done
rm -rf -- "$@"
sleep 1
rm -rf -- "$@"
`;

/** Guards a PostgreSQL (by its postmaster.pid, which may not exist yet) and these folders against our sudden death. */
export const startWatchdog = (pidFile: string, directories: readonly string[]): Watchdog => {
  const child = spawn('/bin/sh', ['-c', script, 'pg-entra-sandbox-watchdog', pidFile, ...directories], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const gone = new Promise<void>((resolve) =>
    child.once('exit', () => resolve()).once('error', () => resolve()),
  );
  child.stdin.on('error', () => undefined);
  child.unref();
  return {
    dismiss: async () => {
      child.ref();
      child.stdin.end('farewell\n');
      await gone;
    },
  };
};
