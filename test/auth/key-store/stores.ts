import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type ConnectorError, type ErrorCode, isConnectorError } from '#src/errors.js';

const FIXTURES = new URL('../../../../test/auth/key-store/fixtures/', import.meta.url);

/** The password of the fixtures. */
export const PASSWORD = 'correct horse';

/** The path of a fixture; `fixtures/README.md` says what they are. */
export function fixturePath(name: string): string {
  return fileURLToPath(new URL(name, FIXTURES));
}

export function fixture(name: string): Buffer {
  return readFileSync(fixturePath(name));
}

/** The key and the certificate that most fixtures hold, read without the code under test. */
export const service: { readonly key: KeyObject; readonly certificate: X509Certificate } = {
  key: createPrivateKey(fixture('key-only.pem')),
  certificate: new X509Certificate(fixture('certificate-only.pem')),
};

export const SUBJECT =
  'C=DE, ST=Bavaria, O=ACME\\, Inc., OU=Integration, CN=pg-entra service, emailAddress=ops@example.test';

/** The error `loading` ends with, which must be ours, of the type for settings and of `code`. */
export async function failureOf(loading: Promise<unknown>, code: ErrorCode): Promise<ConnectorError> {
  const error = await loading.then(
    () => expect.fail(`${code} expected, but the store was read`),
    (thrown: unknown) => thrown,
  );
  if (!isConnectorError(error)) throw error;
  expect({ type: error.type, code: error.code }, error.message).to.deep.equal({
    type: 'POSTGRESQL:SETTINGS',
    code,
  });
  return error;
}

/**
 * The longest time in milliseconds that the event loop stood still during `work`, as far as this
 * process was working in it: what other programs take away is no fault of ours.
 */
export async function longestStall(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = performance.now();
  let lastCpu = process.cpuUsage();
  let running = true;
  const look = () => {
    const now = performance.now();
    const { user, system } = process.cpuUsage(lastCpu);
    longest = Math.max(longest, Math.min(now - last, (user + system) / 1000));
    last = now;
    lastCpu = process.cpuUsage();
    if (running) setImmediate(look);
  };
  setImmediate(look);
  await work();
  running = false;
  look();
  return longest;
}
