import { createRoleSql, explainSettings, type Settings } from '../../../index.js';
import { readConnection } from '../connection.js';
import { detailOf, exitCodeOfReport, renderReport } from '../report.js';
import { addConnectedCommand, type ConnectedOptions, type Shell } from '../shell.js';
import { UsageError } from '../usage-error.js';
import { walk } from './test.js';

interface RoleOptions extends ConnectedOptions {
  readonly objectId?: string;
}

/** `role-sql`: the statement by which an administrator makes the database role of this application. */
export function addRoleSql(shell: Shell): void {
  addConnectedCommand(shell, 'role-sql', 'Print the SQL that creates the database role of this application.')
    .option('--object-id <id>', 'object id of the service principal; read from a token when absent')
    .action((options: RoleOptions) => printRoleSql(shell, options));
}

/** Why a login that is none of Microsoft Entra ID has no role to be made. */
const NOT_OF_ENTRA: Partial<Record<Settings['identity']['kind'], string>> = {
  password:
    'AuthScheme Password has no Entra identity: its role is made by CREATE ROLE with a password (and LOGIN).',
  openid:
    "AuthScheme OAuthClient has no Entra identity: the server itself maps the subject of the provider's token to a role (pg_ident.conf, or the validator of its OAuth login), and the role is made by CREATE ROLE with LOGIN.",
};

async function printRoleSql(shell: Shell, options: RoleOptions): Promise<void> {
  const { io } = shell;
  const { settings } = explainSettings(await readConnection(options, io));
  const refusal = NOT_OF_ENTRA[settings.identity.kind];
  if (refusal !== undefined) throw new UsageError(refusal);
  const objectId = options.objectId ?? (await objectIdFromToken(shell, options));
  if (shell.exitCode !== 0) return;
  if (settings.identity.kind === 'supplied' && objectId === undefined)
    throw new UsageError(
      'OAuthAccessToken names no object of Microsoft Entra ID (claim oid). Give the object id by --object-id.',
    );
  io.out(
    '-- Run this as Microsoft Entra administrator of the server, in the database postgres;\n-- then connect to your own database and grant the role what the flow needs.\n',
  );
  io.out(`${createRoleSql({ role: settings.server.user, objectId })}\n`);
}

async function objectIdFromToken(shell: Shell, options: RoleOptions): Promise<string | undefined> {
  const { io } = shell;
  const report = await walk(options, io, true);
  shell.exitCode = exitCodeOfReport(report);
  if (!report.ok) {
    io.err(renderReport(report));
    io.err('Without a token the object id is not known. Give it by --object-id.\n');
  }
  const { objectId } = detailOf(report, 'token-claims');
  return typeof objectId === 'string' ? objectId : undefined;
}
