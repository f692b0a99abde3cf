import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SettingsSources } from '#src/settings/references.js';
import { explainSettings, type Identity, type SecretCredential } from '#src/settings/settings.js';
import { failure } from '../support/failure.js';

const SETTINGS = 'POSTGRESQL:SETTINGS';
const REST = { Server: 'db', Database: 'd', User: 'u', AzureTenant: 'c.example', OAuthClientId: 'i' };

function secretOf(value: string, sources?: SettingsSources): string {
  const { identity } = explainSettings({ ...REST, OAuthClientSecret: value }, sources).settings;
  return credentialOf(identity).secret.reveal();
}

function credentialOf(identity: Identity): SecretCredential {
  if (identity.kind === 'entra' && identity.credential.kind === 'secret') return identity.credential;
  throw new Error('a secret was given');
}

const unreadable = (value: string, sources?: SettingsSources) =>
  failure(() => secretOf(value, sources), SETTINGS, 'PROPERTY_FILE_UNREADABLE');
const unset = (value: string, sources?: SettingsSources) =>
  failure(() => secretOf(value, sources), SETTINGS, 'PROPERTY_VARIABLE_MISSING');

describe('references in values', () => {
  let folder: string;
  const file = (name: string, content: string | Buffer): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'references-'));
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  describe('@file:', () => {
    const contents: readonly (readonly [what: string, content: string, secret: string])[] = [
      ['text', 'abc', 'abc'],
      ['text without its last line end', 'abc\n', 'abc'],
      ['text without its last Windows line end', 'abc\r\n', 'abc'],
      ['text with other blanks as they stand', ' a\nb \n\n', ' a\nb \n'],
      ['P-08 text without its byte order mark', '\ufeffabc\n', 'abc'],
      ['text that looks like another reference', '@env:HOME', '@env:HOME'],
    ];
    for (const [what, content, secret] of contents) {
      it(`reads ${what}`, () => {
        expect(secretOf(`@file:${file('secret', content)}`)).to.equal(secret);
      });
    }

    const refused: readonly (readonly [what: string, make: () => string, reason: string])[] = [
      ['a missing file', () => join(folder, 'none'), 'ENOENT'],
      ['an empty path', () => '', 'ENOENT'],
      ['a folder', () => folder, 'not a regular file'],
      ['an empty file', () => file('empty', ''), 'empty'],
      ['a file of one line end', () => file('line', '\n'), 'empty'],
      [
        'P-09 UTF-16, that is U+0000 in text',
        () => file('utf16', Buffer.from('abc', 'utf16le')),
        'not text in UTF-8',
      ],
      ['more than 1 MiB', () => file('large', Buffer.alloc(1_048_577, 'x')), 'larger than 1 MiB'],
      ['a device', () => '/dev/zero', 'not a regular file'],
      ['a path of 10,000 characters', () => join(folder, 'x'.repeat(10_000)), 'ENAMETOOLONG'],
    ];
    for (const [what, make, reason] of refused) {
      it(`refuses ${what}, and names neither path nor content`, async () => {
        const error = await unreadable(`@file:${make()}`);
        expect(error.message).to.equal(`The file named by OAuthClientSecret cannot be read (${reason}).`);
        expect(error.properties).to.deep.equal(['OAuthClientSecret']);
        expect(error.cause).to.equal(undefined);
      });
    }

    it('does not open a pipe, which could wait for ever, nor a link to one', async () => {
      const pipe = join(folder, 'pipe');
      execFileSync('mkfifo', [pipe]);
      symlinkSync(pipe, join(folder, 'link'));
      for (const path of [pipe, join(folder, 'link')])
        expect((await unreadable(`@file:${path}`)).message).to.contain('not a regular file');
    });

    it('takes an injected reader, and hides what that throws', async () => {
      const sources = { readFile: (path: string): string => `content of ${path}` };
      expect(secretOf('@file:/x', sources)).to.equal('content of /x');
      const failing = {
        readFile: (): string => {
          throw new Error('canary-9f3k');
        },
      };
      expect((await unreadable('@file:/x', failing)).message).to.contain('(unreadable)');
    });
  });

  describe('@env:', () => {
    const environment = { TOKEN: 'abc', EMPTY: '' };

    it('reads a variable', () => {
      expect(secretOf('@env:TOKEN', { environment })).to.equal('abc');
    });

    // process.env has Object.prototype behind it: the names there are no variables.
    for (const name of ['NONE', 'EMPTY', 'constructor', '__proto__', 'toString']) {
      it(`refuses the variable "${name}"`, async () => {
        const error = await unset(`@env:${name}`, { environment });
        expect(error.message).to.equal(
          `The environment variable ${name}, named by OAuthClientSecret, is not set.`,
        );
        await unset(`@env:${name === 'EMPTY' ? 'PG_ENTRA_NONE' : name}`);
      });
    }
  });

  it('X-02 names no variable that is none: it may be the rest of a string without semicolons', async () => {
    for (const value of ['@env:', '@env:TOKEN Password=canary', '@env:a canary', `@env:${'x'.repeat(200)}`]) {
      const { message } = await unset(value, { environment: {} });
      expect(message).to.equal(
        'The environment variable (text that is no name), named by OAuthClientSecret, is not set.',
      );
    }
  });

  it('remembers the file, so that it is read again when it changes; explaining names file and variable', () => {
    const sources = { readFile: (): string => 'x', environment: { TOKEN: 'abc' } };
    const given = {
      ...REST,
      OAuthClientSecret: '@file:/run/secret',
      OAuthClientSecretFallback: '@env:TOKEN',
    };
    const { settings, effective } = explainSettings(given, sources);
    expect(credentialOf(settings.identity).secret.file).to.equal('/run/secret');
    expect(credentialOf(settings.identity).fallback?.file).to.equal(undefined);
    const noteOn = (name: string) => effective.find((line) => line.name === name)?.note;
    expect(noteOn('OAuthClientSecret')).to.equal('from the file /run/secret');
    expect(noteOn('OAuthClientSecretFallback')).to.equal('from the environment variable TOKEN');
  });

  it('takes only the path of a key store, which need not be text, and its type as of a file', () => {
    const given = { ...REST, OAuthJWTCert: '@file:/app.pfx', OAuthJWTCertType: 'PFXBLOB' };
    const { identity } = explainSettings(given).settings;
    const credential = identity.kind === 'entra' ? identity.credential : undefined;
    if (credential?.kind !== 'certificate') throw new Error('a certificate was given');
    expect({ path: credential.store.reveal(), type: credential.type }).to.deep.equal({
      path: '/app.pfx',
      type: 'PFXFILE',
    });
  });

  it('takes @@ for a literal @, once', () => {
    expect(secretOf('@@file:/x')).to.equal('@file:/x');
    expect(secretOf('@@@x')).to.equal('@@x');
  });

  it('takes other text with @ as it stands', () => {
    for (const text of ['@', '@x', 'a@file:/x', '@File:/x', ' @env:HOME'])
      expect(secretOf(text)).to.equal(text);
  });

  it('resolves references for PEM properties, by content and by path', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
    const path = file('ca.pem', pem);
    for (const value of [path, `@file:${path}`, pem]) {
      const { server } = explainSettings({ ...REST, OAuthClientSecret: 's', SSLCA: value }).settings;
      expect(server.tls.ca?.trim()).to.equal(pem.trim());
    }
  });

  it('takes SSLCA=system, as libpq calls it, for the authorities that the runtime trusts', () => {
    const given = { ...REST, OAuthClientSecret: 's', SSLCA: 'system' };
    expect(explainSettings(given).settings.server.tls.ca).to.equal(undefined);
  });

  it('reports a CA file that cannot be read', async () => {
    const properties = { ...REST, OAuthClientSecret: 's', SSLCA: join(folder, 'none') };
    const error = await failure(() => explainSettings(properties), SETTINGS, 'PROPERTY_FILE_UNREADABLE');
    expect(error.properties).to.deep.equal(['SSLCA']);
  });

  it('reads none for any other property: it refuses them, and takes @@ there too', async () => {
    const given = { ...REST, OAuthClientSecret: 's', ApplicationName: '@@env:x', TimeZone: 'UTC' };
    expect(explainSettings(given).settings.server.applicationName).to.equal('@env:x');
    const wrong = { ...given, User: '@env:HOME', Port: '@env:PORT', OAuthClientId: '@file:/etc/hostname' };
    const error = await failure(() => explainSettings(wrong), SETTINGS, 'PROPERTY_INVALID');
    const rule =
      'takes the value itself: @file: and @env: are read for secrets and CA certificates only, and @@ stands for a literal @.';
    expect(error.message).to.equal(`Port ${rule} User ${rule} OAuthClientId ${rule}`);
  });

  it('tells what cannot be read with everything else that is wrong, and only once', async () => {
    const given = {
      ...{ Server: 'db', Port: 'x', AzureTenant: 'c.example', OAuthClientId: 'i', SSLCA: '/none/ca' },
      ...{ OAuthClientSecret: '@env:NONE', OAuthSettingsKey: '@file:/none', TokenCA: '@file:/none' },
    };
    const read = () => explainSettings(given, { environment: {} });
    const error = await failure(read, SETTINGS, 'PROPERTY_INVALID');
    expect(error.message).to.equal(
      'Port must be a whole number from 1 to 65535. ' +
        'The environment variable NONE, named by OAuthClientSecret, is not set. ' +
        'The file named by OAuthSettingsKey cannot be read (ENOENT). ' +
        'The file named by TokenCA cannot be read (ENOENT). ' +
        'The file named by SSLCA cannot be read (ENOENT). Missing: User (Authentication).',
    );
  });
});
