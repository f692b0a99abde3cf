import { expect } from 'chai';
import { isConnectorError, type ConnectorError, type ErrorCode, type ErrorType } from '#src/errors.js';

/** The ConnectorError that `work` fails with, asserted to have `type` and `code`. */
export async function failure(
  work: Promise<unknown> | (() => unknown),
  type: ErrorType,
  code: ErrorCode,
): Promise<ConnectorError> {
  const error = await errorOf(work);
  if (!isConnectorError(error)) throw new Error(`expected ${code}, got ${String(error)}`);
  expect({ type: error.type, code: error.code }, error.message).to.deep.equal({ type, code });
  return error;
}

async function errorOf(work: Promise<unknown> | (() => unknown)): Promise<unknown> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    return error;
  }
  throw new Error('expected a failure, but it succeeded');
}
