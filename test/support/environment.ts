/** Runs `work` with `changes` to the environment of this process. */
export async function withEnvironment(
  changes: Readonly<Record<string, string>>,
  work: () => Promise<void>,
): Promise<void> {
  const before = Object.keys(changes).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, changes);
  try {
    await work();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  }
}

/** Runs `work` while the environment asks Node.js to verify no certificate. */
export async function withUnverifiedTls(work: () => Promise<void>): Promise<void> {
  await withEnvironment({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, work);
}
