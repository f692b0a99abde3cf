import type { Control } from './control.js';
import type { Fault } from './faults.js';
import { authenticationKinds, type LoginRefusal } from './gate/script.js';
import type { Overrides } from './overrides.js';
import { proxyModes } from './proxy/server.js';
import { serverCertificateKinds, tlsVersions } from './server-certificates.js';

const tlsServers = ['authority', 'openId', 'gate'] as const;

/** The body of a control request; fields that an operation needs are checked where it reads them. */
export type Body = Readonly<Record<string, unknown>>;

type Operation = (control: Control, body: Body) => unknown;

/** Thrown for a body that an operation cannot use; answered with 400. */
export class BadRequest extends Error {}

/** Every operation by method and path below the control URL. What it gives is the answer's JSON; nothing is `{}`. */
export const operations: Readonly<Record<string, Operation>> = {
  'POST token-lifetime': (control, body) => control.setTokenLifetime(number(body, 'seconds')),
  'POST token-response': (control, body) => control.overrideTokenResponse(overrides(body)),
  'POST claims': (control, body) => control.overrideClaims(overrides(body)),
  'POST discovery': (control, body) => control.overrideDiscovery(overrides(body)),
  'POST faults': (control, body) => control.addFaults(...faults(body)),
  'POST headers': (control, body) => control.overrideHeaders(overrides(body)),
  'POST token-format': (control, body) => control.setTokenFormat(oneOf(['jwt', 'opaque'], body, 'format')),
  'DELETE faults': (control) => ({ unused: control.clearFaults() }),
  'POST revoke': (control, body) => control.revoke(body['all'] === true ? 'all' : text(body, 'token')),
  'POST secret-expired': (control, body) =>
    control.expireSecret(body['expired'] !== false, optionalText(body, 'secret')),
  'POST secrets': (control) => ({ secret: control.addSecret() }),
  'POST secrets/remove': (control, body) => control.removeSecret(text(body, 'secret')),
  'POST certificates/issue': (control, body) => control.issueCertificate(body),
  'POST certificates': (control, body) => control.addCertificate(text(body, 'pem')),
  'POST certificates/remove': (control, body) => control.removeCertificate(text(body, 'pem')),
  'POST certificates/expired': (control, body) =>
    control.expireCertificate(text(body, 'pem'), body['expired'] !== false),
  'POST trusted-subjects': (control, body) =>
    control.setTrustedSubjects(
      list(body).map((entry) => ({ ca: text(entry, 'ca'), subject: text(entry, 'subject') })),
    ),
  'POST federated-credentials': (control, body) =>
    control.setFederatedCredentials(
      list(body).map((entry) => ({
        issuer: text(entry, 'issuer'),
        subject: text(entry, 'subject'),
        audience: text(entry, 'audience'),
      })),
    ),
  'POST clock': (control, body) => control.moveClock(number(body, 'seconds')),
  'POST token': async (control, body) => ({ token: await control.issueToken(body) }),
  'POST federated-token': async (control, body) => ({ token: await control.issueFederatedToken(body) }),
  'GET requests': (control) => control.requests(),
  'DELETE requests': (control) => control.clearRequests(),
  'GET token-requests': (control) => ({ count: control.tokenRequestCount() }),
  'GET logins': (control) => control.logins(),
  'DELETE logins': (control) => control.clearLogins(),
  'GET cancels': (control) => control.cancels(),
  'POST authentication': (control, body) =>
    control.setAuthentication(oneOf(authenticationKinds, body, 'kind')),
  'POST refuse-logins': (control, body) => control.refuseLogins(number(body, 'count'), refusal(body)),
  'POST plaintext-only': (control, body) => control.setPlaintextOnly(body['plaintextOnly'] !== false),
  'POST certificate': (control, body) =>
    control.setCertificate(oneOf(tlsServers, body, 'server'), oneOf(serverCertificateKinds, body, 'kind')),
  'POST tls-version': (control, body) =>
    control.setTlsVersion(oneOf(tlsServers, body, 'server'), oneOf(tlsVersions, body, 'version')),
  'POST reachable': (control, body) =>
    control.setReachable(
      oneOf([...tlsServers, 'managedIdentity'], body, 'server'),
      body['reachable'] !== false,
    ),
  'POST proxy': (control, body) => control.setProxyMode(oneOf(proxyModes, body, 'mode')),
  'GET proxy-requests': (control) => control.proxyRequests(),
  'POST drop-sessions': (control) => ({ dropped: control.dropSessions() }),
  'POST postgres/restart': (control) => control.restartPostgres(),
  'POST reset': (control) => control.reset(),
};

const number = (body: Body, name: string): number => {
  const value = body[name];
  if (typeof value !== 'number') throw new BadRequest(`'${name}' must be a number`);
  return value;
};

const text = (body: Body, name: string): string => {
  const value = body[name];
  if (typeof value !== 'string') throw new BadRequest(`'${name}' must be a text`);
  return value;
};

const optionalText = (body: Body, name: string): string | undefined =>
  body[name] === undefined ? undefined : text(body, name);

const oneOf = <const Choice extends string>(choices: readonly Choice[], body: Body, name: string): Choice => {
  const found = choices.find((choice) => choice === body[name]);
  if (found === undefined) throw new BadRequest(`'${name}' must be one of ${choices.join(', ')}`);
  return found;
};

const overrides = (body: Body): Overrides => {
  const unknown = Object.keys(body).find((name) => name !== 'set' && name !== 'remove');
  if (unknown !== undefined) throw new BadRequest(`'${unknown}' is neither 'set' nor 'remove'`);
  return body;
};

const list = (body: Body): readonly Body[] => {
  if (!Array.isArray(body)) throw new BadRequest('the body must be an array');
  return body as Body[];
};

const faults = (body: Body): readonly Fault[] => {
  const given = list(body) as readonly Partial<Fault>[];
  if (!given.every((fault) => typeof fault.action === 'string'))
    throw new BadRequest("a fault needs an 'action'");
  return given as Fault[];
};

const refusal = (body: Body): LoginRefusal => ({
  sqlState: text(body, 'sqlState'),
  message: text(body, 'message'),
});
