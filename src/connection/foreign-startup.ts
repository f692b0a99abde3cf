import { ConnectorError } from '../errors.js';
import { isCancelRequest, startupMessage, startupParameters } from './startup-messages.js';

/**
 * `first`, the first message of a driver that is not ours, without what the driver adds from the
 * environment (PGREPLICATION, PGOPTIONS): no `replication`, and `options` only where there are
 * `ownOptions`, which may be added to. A CancelRequest has nothing to leave out.
 *
 * @throws ConnectorError POOL_OPTIONS_CHANGED where it is neither, and where `ownOptions` do not come first
 */
export function foreignStartup(first: Buffer, ownOptions: string | undefined): Buffer {
  if (isCancelRequest(first)) return first;
  const parameters = startupParameters(first);
  if (!parameters) throw optionsChanged('it does not begin with a startup packet');
  parameters.delete('replication');
  if (ownOptions === undefined) parameters.delete('options');
  else if (parameters.get('options')?.startsWith(ownOptions) !== true)
    throw optionsChanged('its options are not those of the properties');
  return startupMessage(parameters);
}

/** What is told when a driver does not use the options of `poolOptions` as they are. */
export function optionsChanged(problem: string): ConnectorError {
  return new ConnectorError('POOL_OPTIONS_CHANGED', { problem });
}
