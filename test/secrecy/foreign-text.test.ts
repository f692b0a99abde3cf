import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { createDiagnostics } from '#src/diagnostics.js';
import { printable } from '#src/errors.js';
import { expectNoCanary } from '../support/canary.js';
import { useFolder } from '../support/folder.js';
import { recordingLogger } from '../support/log.js';

const TOKEN = [
  'eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9',
  'eyJhdWQiOiJodHRwczovL29zc3JkYm1zLWFhZCJ9',
  'c2lnbmF0dXJl-_x',
].join('.');
const SECRET = 'q8Q~cAnArY.9f3k_w-0aB1cD2eF3gH4iJ5kL6mN7';

const hex = (text: string): string => Buffer.from(text).toString('hex');
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Text of a stranger who repeats what he was sent. */
const ECHOES: Readonly<Record<string, string>> = {
  'a token': `refused ${TOKEN} of the client`,
  'the first half of a token': `refused ${TOKEN.slice(0, 50)}`,
  'a token in JSON': JSON.stringify({ access_token: TOKEN, token_type: 'Bearer' }),
  'a token in JSON in JSON': JSON.stringify(JSON.stringify({ assertion: TOKEN })),
  'a token in base64': `refused ${base64(TOKEN)}`,
  'a token in base64url': `refused ${Buffer.from(TOKEN).toString('base64url')}`,
  'a token in hexadecimal': `refused ${hex(TOKEN)}`,
  'a token in upper-case hexadecimal': `refused ${hex(TOKEN).toUpperCase()}`,
  'a form': `grant_type=client_credentials&client_secret=${SECRET}&client_assertion=${TOKEN}&scope=x`,
  'a form that is URL-encoded once more': encodeURIComponent(
    `client_secret=${SECRET}&client_assertion=${TOKEN}&scope=x`,
  ),
  'an opaque token in JSON': JSON.stringify({ access_token: SECRET, expires_in: 3599 }),
  'an opaque token in JSON with blanks': JSON.stringify({ refresh_token: `${SECRET} ${SECRET}` }, null, 2),
  'an opaque secret in JSON in JSON': JSON.stringify(JSON.stringify({ client_secret: SECRET })),
  'a secret with quotes in JSON': JSON.stringify({ password: `"${SECRET}" ${SECRET}` }),
  'a secret with escapes in a form': new URLSearchParams({
    client_secret: `+/${SECRET}/=${SECRET}`,
  }).toString(),
  'a Basic header': `Authorization: Basic ${base64(`client:${SECRET}`)}`,
  'a Bearer header': `Proxy-Authorization: Bearer ${SECRET}`,
  'a secret that a cut leaves whole': `${'x'.repeat(900)} client_secret=${SECRET}`,
  'a token across the cut': `${'x'.repeat(970)} ${TOKEN}`,
};

describe('text of strangers', () => {
  const folder = useFolder();

  for (const [what, text] of Object.entries(ECHOES)) {
    it(`X-01 loses ${what}, in the log of the host and in the file`, async () => {
      const logger = recordingLogger();
      const file = folder.path('flow.log');
      const log = {
        file,
        verbosity: 5,
        isVerbosityGiven: true,
        modules: [],
        maxFileBytes: 0,
        maxFiles: 0,
      } as const;
      const toFile = createDiagnostics({ log, connection: text });
      for (const diagnostics of [toFile, createDiagnostics({ logger })])
        diagnostics.report('login.failed', { code: 'X', message: text });
      await toFile.close();
      const outputs = [printable(text), ...logger.lines, readFileSync(file, 'utf8')];
      expectNoCanary(outputs, [TOKEN, SECRET, base64(`client:${SECRET}`)]);
      for (const output of outputs) expect(output).to.include('***');
    });
  }

  for (const text of [
    'token_type is not Bearer',
    'Basic authentication is not offered, Bearer authentication is',
    'password authentication failed for user "flow"',
    'the access_token is missing',
    'thumbprint 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08',
    'tenant e2ed6cfc-a55f-42d0-8ae2-5f6b980de074 at login.microsoftonline.com',
    '/home/user/projects/orders/certificates/production/flow.pem',
  ]) {
    it(`keeps "${text}"`, () => {
      expect(printable(text)).to.equal(text);
    });
  }
});
