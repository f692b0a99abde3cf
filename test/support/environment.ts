/** Runs `work` while the environment asks Node.js to verify no certificate. */
export async function withUnverifiedTls(work: () => Promise<void>): Promise<void> {
  const { NODE_TLS_REJECT_UNAUTHORIZED: before } = process.env;
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  try {
    await work();
  } finally {
    if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
  }
}
