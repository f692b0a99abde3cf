import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { chromium, type Browser, type Page } from 'playwright-core';
import { startSandbox, type Sandbox } from '#sandbox/index.js';
import { startNodeRed, type NodeRed } from '#samples/runner/node-red.js';
import {
  connectionOf,
  PROJECT,
  readSamples,
  sampleCredentials,
  sampleEnvironment,
} from '#samples/runner/sample.js';
import { manifest, parseConnectionString } from '#src/index.js';

const CHROMIUM = '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The part of the editor's own API that opens and closes dialogs. */
declare const RED: {
  editor: { editConfig(name: string, type: string, id: string): void; edit(node: unknown): void };
  nodes: { node(id: string): unknown };
};

/** jQuery, which the editor brings along. */
declare const $: (selector: string) => { val(value: string): { trigger(event: string): void } };

declare const getComputedStyle: (element: unknown) => Readonly<Record<string, string>>;

/** The part of a DOM element that is looked at; this project is compiled without the DOM's types. */
interface Element {
  readonly dataset: Readonly<Record<string, string>>;
  readonly style: { readonly display: string };
  readonly textContent: string;
  readonly type: string;
  readonly autocomplete: string;
  readonly open: boolean;
  readonly classList: { contains(name: string): boolean };
  querySelector(selector: string): Element | null;
}

const SCHEMA = manifest().connectionSpecification.properties;
const titleOf = (name: string): unknown => SCHEMA[name]?.['title'];
const CERTIFICATE_FIELDS = ['OAuthJWTCert', 'OAuthJWTCertType', 'OAuthJWTCertPassword'];

describe('Node-RED editor (needs Chromium)', function () {
  this.timeout(60_000);
  const [sample] = readSamples();
  // For people to look at; below .build/, which is not kept.
  const pictures = join(PROJECT, '.build/pictures/node-red');
  let sandbox: Sandbox | undefined;
  let nodeRed: NodeRed | undefined;
  let browser: Browser | undefined;
  let page: Page;
  const complaints: string[] = [];

  before(async function () {
    if (!existsSync(CHROMIUM)) this.skip();
    sandbox = await startSandbox();
    nodeRed = await startNodeRed({ packageFolder: PROJECT, environment: sampleEnvironment(sandbox) });
    await nodeRed.deploy(sample!.flows, sampleCredentials([sample!], sandbox));
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    page = await browser.newPage({ viewport: { width: 1400, height: 1100 } });
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(nodeRed.url);
    await page.waitForSelector('[data-palette-type="pg-entra-operation"]');
  });
  after(async () => {
    await browser?.close();
    await nodeRed?.close();
    await sandbox?.close();
  });

  describe('connection dialog', () => {
    before(async () => {
      const { id } = connectionOf(sample!);
      await page.waitForFunction((node) => Boolean(RED.nodes.node(node)), id);
      await page.evaluate((node) => RED.editor.editConfig('', 'pg-entra-connection', node), id);
      await page.waitForSelector('#pg-entra-test');
    });

    const row = (name: string) => page.locator(`.pg-entra-form [data-property="${name}"]`);
    const isShown = async (name: string): Promise<boolean> =>
      row(name).evaluate((element: Element) => element.style.display !== 'none');

    it('has every property of the manifest, under its title', async () => {
      const shown = await page
        .locator('.pg-entra-form [data-property]')
        .evaluateAll((rows: Element[]) =>
          rows.map((each) => [each.dataset['property'], each.querySelector('label')?.textContent]),
        );
      expect(Object.fromEntries(shown)).to.deep.equal(
        Object.fromEntries(Object.keys(SCHEMA).map((name) => [name, titleOf(name)])),
      );
    });

    it('shows defaults as placeholders, and the stored values', async () => {
      expect(await page.inputValue('#node-config-input-Server')).to.equal('${PG_SERVER}');
      expect(await page.inputValue('#node-config-input-PoolMaxSize')).to.equal('');
      const placeholder = await page.getAttribute('#node-config-input-PoolMaxSize', 'placeholder');
      expect(placeholder).to.equal(String(SCHEMA['PoolMaxSize']?.['default']));
      expect(await page.inputValue('#node-config-input-OAuthClientSecret')).to.equal('__PWRD__');
    });

    it('X-14 gets no stored secret from the server, and hides what is typed into such a field', async () => {
      const body = await page.content();
      expect(body).not.to.contain(sandbox!.clientSecret);
      const { id } = connectionOf(sample!);
      const credentials = await nodeRed!.call(`/credentials/pg-entra-connection/${id}`);
      const sent = (await credentials.json()) as Record<string, unknown>;
      expect(sent['has_OAuthClientSecret']).to.equal(true);
      for (const [name, value] of Object.entries(sent)) {
        expect(name).to.match(/^has_/);
        expect(value).to.be.a('boolean');
      }
      for (const [name, schema] of Object.entries(SCHEMA)) {
        if (schema['airbyte_secret'] !== true) continue;
        expect(sent).to.have.property(`has_${name}`);
        const looks = await page.locator(`#node-config-input-${name}`).evaluate((element: Element) => ({
          type: element.type,
          masked: getComputedStyle(element)['-webkit-text-security'],
          completion: element.autocomplete,
        }));
        if (looks.type === 'textarea') expect(looks.masked, name).to.equal('disc');
        else expect(looks.type, name).to.equal('password');
        expect(looks.completion, name).to.be.oneOf(['off', 'new-password']);
      }
    });

    it('X-14 takes a key store of several lines', async () => {
      for (const name of ['OAuthJWTCert', 'OAuthJWTCertFallback', 'SSLCA', 'TokenCA'])
        expect(await page.locator(`textarea#node-config-input-${name}`).count(), name).to.equal(1);
    });

    it('passes the test with the stored secret and shows each stage, and the result below them', async () => {
      await page.click('#pg-entra-test');
      await page.waitForSelector('#pg-entra-report [data-stage="privileges"]');
      const stages = await page
        .locator('#pg-entra-report li.pg-entra-passed[data-stage]')
        .evaluateAll((lines: Element[]) => lines.map((line) => line.dataset['stage']));
      expect(stages).to.deep.equal([
        'settings',
        'discovery',
        'token',
        'token-claims',
        'tcp',
        'tls',
        'login',
        'privileges',
      ]);
      const result = await page.textContent('#pg-entra-report .pg-entra-result');
      expect(result).to.match(
        /^Connection works: PostgreSQL 18\.\d+, role flow_reader, database flows, token valid for 59 min\.$/,
      );
      await page.screenshot({ path: join(pictures, 'connection-passed.png') });
    });

    it('forgets the result of a test as soon as a field changes', async () => {
      expect(await page.locator('#pg-entra-report li').count()).to.be.greaterThan(0);
      await page.fill('#node-config-input-Port', '1');
      expect(await page.locator('#pg-entra-report li').count()).to.equal(0);
      await page.fill('#node-config-input-Port', '${PG_PORT}');
    });

    it('tests the token alone, without asking the database', async () => {
      sandbox!.control.clearLogins();
      await page.click('#pg-entra-test-token');
      await page.waitForSelector('#pg-entra-report .pg-entra-result');
      expect(await page.textContent('#pg-entra-report .pg-entra-result')).to.equal(
        'Token works: valid for 59 min. The database was not asked.',
      );
      expect(await page.locator('#pg-entra-report [data-stage="tcp"]').count()).to.equal(0);
      expect(sandbox!.control.logins()).to.deep.equal([]);
    });

    it('shows message, cure and code of a failure, as text', async () => {
      await page.fill('#node-config-input-OAuthClientSecret', 'wrong');
      await page.fill('#node-config-input-Database', '<img src=x onerror=document.title=1>');
      await page.click('#pg-entra-test');
      const failed = page.locator('#pg-entra-report li.pg-entra-failed');
      await failed.waitFor();
      expect(await failed.locator('code').textContent()).to.equal('WRONG_CLIENT_SECRET');
      expect(await failed.locator('.pg-entra-cure').textContent()).to.contain('OAuthClientSecret');

      await page.fill('#node-config-input-OAuthClientSecret', sandbox!.clientSecret);
      await page.click('#pg-entra-test');
      await page.locator('#pg-entra-report li[data-stage="login"] code').waitFor();
      expect(await page.locator('#pg-entra-report img').count()).to.equal(0);
      expect(await page.title()).not.to.equal('1');
      await page.screenshot({ path: join(pictures, 'connection-failed.png') });
    });

    it('shows the fields of each AuthScheme and no others', async () => {
      const shown = async (scheme: string): Promise<{ secret: boolean; certificate: boolean[] }> => {
        await page.selectOption('#node-config-input-AuthScheme', scheme);
        const certificate = await Promise.all(CERTIFICATE_FIELDS.map(isShown));
        return { secret: await isShown('OAuthClientSecret'), certificate };
      };
      const all = (value: boolean): boolean[] => CERTIFICATE_FIELDS.map(() => value);
      expect(await shown('AzureServicePrincipalCert')).to.deep.equal({
        secret: false,
        certificate: all(true),
      });
      await page.screenshot({ path: join(pictures, 'connection-certificate.png') });
      expect(await shown('AzureServicePrincipal')).to.deep.equal({ secret: true, certificate: all(false) });
      expect(await shown('AzureAD')).to.deep.equal({ secret: true, certificate: all(true) });
    });

    it('saves nothing of the fields that are hidden, and no defaults', async () => {
      await page.locator('details[data-group="jwt"] .pg-entra-more').click();
      await page.fill('#node-config-input-OAuthJWTCertSubject', 'CN=of the other scheme');
      await page.selectOption('#node-config-input-AuthScheme', 'AzureServicePrincipal');
      await page.click('#node-config-dialog-ok');
      await page.locator('.red-ui-tray').waitFor({ state: 'detached' });
      const { id } = connectionOf(sample!);
      const saved = await page.evaluate((node) => {
        const { AuthScheme, OAuthJWTCertSubject, PoolMaxSize } = RED.nodes.node(node) as Record<
          string,
          unknown
        >;
        return { AuthScheme, OAuthJWTCertSubject, PoolMaxSize };
      }, id);
      expect(saved).to.deep.equal({
        AuthScheme: 'AzureServicePrincipal',
        OAuthJWTCertSubject: '',
        PoolMaxSize: '',
      });
    });
  });

  describe('dialog of a new connection', () => {
    const id = '1a2b3c4d5e6f0400';
    const node = { id, type: 'pg-entra-connection', name: 'new' };

    before(async () => {
      await page.locator('.red-ui-tray').waitFor({ state: 'detached' });
      await nodeRed!.deploy([...sample!.flows, node], sampleCredentials([sample!], sandbox!));
      await page.reload();
      await page.waitForFunction((each) => Boolean(RED.nodes.node(each)), id);
      await page.evaluate((each) => RED.editor.editConfig('', 'pg-entra-connection', each), id);
      await page.waitForSelector('#pg-entra-test');
    });

    /** Sections that are there, each with whether it is open. */
    const sections = (): Promise<Record<string, boolean>> =>
      page
        .locator('.pg-entra-form details')
        .evaluateAll((all: Element[]) =>
          Object.fromEntries<boolean>(
            all
              .filter((each) => each.style.display !== 'none')
              .map((each) => [each.dataset['group']!, each.open]),
          ),
        );
    /** Fields that a login asks for, with * those it needs; of the sections about the login. */
    const asked = (): Promise<string[]> =>
      page
        .locator('.pg-entra-form details')
        .evaluateAll((all: (Element & { querySelectorAll(selector: string): Iterable<Element> })[]) =>
          all
            .filter((each) => ['authentication', 'azure', 'oauth', 'jwt'].includes(each.dataset['group']!))
            .flatMap((each) => [...each.querySelectorAll('[data-property]')])
            .filter((each) => each.style.display !== 'none')
            .map(
              (each) => each.dataset['property']! + (each.classList.contains('pg-entra-required') ? '*' : ''),
            ),
        );
    const choose = (name: string, value: string): Promise<unknown> =>
      page.selectOption(`#node-config-input-${name}`, value);
    const BASICS = ['AuthScheme', 'Server*', 'Port', 'Database', 'User*'];
    const FOLDED = {
      ssl: false,
      pooling: false,
      logging: false,
      miscellaneous: false,
      firewall: false,
      ssh: false,
    };
    const REQUESTING = { ...FOLDED, proxy: false };

    for (const [scheme, fields, shown] of [
      [
        'AzureServicePrincipal',
        ['UseSSL', 'AzureTenant*', 'InitiateOAuth', 'OAuthClientId*', 'OAuthClientSecret*'],
        { authentication: true, azure: true, oauth: true, ...REQUESTING },
      ],
      [
        'AzureServicePrincipalCert',
        ['UseSSL', 'AzureTenant*', 'InitiateOAuth', 'OAuthClientId*', 'OAuthJWTCert*'].concat(
          CERTIFICATE_FIELDS.slice(1),
        ),
        { authentication: true, azure: true, oauth: true, jwt: true, ...REQUESTING },
      ],
      [
        'AzureWorkloadIdentity',
        ['UseSSL', 'AzureTenant*', 'InitiateOAuth', 'OAuthClientId*', 'OAuthClientAssertion*'],
        { authentication: true, azure: true, oauth: true, ...REQUESTING },
      ],
      [
        'AzureMSI',
        ['UseSSL', 'AzureEnvironment', 'InitiateOAuth', 'OAuthClientId'],
        { authentication: true, azure: true, oauth: true, ...FOLDED },
      ],
      [
        'OAuthClient',
        ['UseSSL', 'InitiateOAuth', 'OAuthClientId*', 'OAuthClientSecret*', 'OAuthIssuer*'].concat(
          ['OAuthAccessTokenURL'],
          CERTIFICATE_FIELDS,
        ),
        { authentication: true, oauth: true, jwt: true, ...REQUESTING },
      ],
      [
        'OAuthToken',
        ['UseSSL', 'InitiateOAuth', 'OAuthAccessToken*', 'OAuthExpiresIn'],
        { authentication: true, oauth: true, ...FOLDED },
      ],
      ['Password', ['Password*', 'RequireAuth', 'UseSSL'], { authentication: true, ...FOLDED }],
    ] as const) {
      it(`asks for what ${scheme} needs, marks it, and folds the rest`, async () => {
        await choose('AuthScheme', scheme);
        expect(await asked()).to.deep.equal([...BASICS, ...fields]);
        expect(await sections()).to.deep.equal(shown);
        const hasToken = await page.locator('#pg-entra-test-token').isVisible();
        expect(hasToken).to.equal(scheme !== 'Password');
        await page.screenshot({ path: join(pictures, `new-${scheme}.png`) });
      });
    }

    it('without AuthScheme asks for a secret and offers what else says how to log in', async () => {
      await choose('AuthScheme', '');
      expect(await asked()).to.deep.equal([
        ...[...BASICS, 'Password', 'UseSSL', 'AzureTenant*', 'InitiateOAuth', 'OAuthClientId*'],
        ...['OAuthClientSecret*', 'OAuthClientAssertion', 'OAuthIssuer', 'OAuthAccessTokenURL'],
        ...['OAuthAccessToken', 'OAuthJWTCert'],
      ]);
      const option = page.locator('#node-config-input-AuthScheme option[value=""]');
      expect(await option.textContent()).to.equal('(found from the credential)');

      await page.fill('#node-config-input-OAuthIssuer', 'https://login.example');
      await page.press('#node-config-input-OAuthIssuer', 'Tab');
      expect(await option.textContent()).to.equal('(OAuthClient)');
      expect(await asked()).to.include.members(['OAuthClientId*', 'OAuthClientSecret*', 'OAuthIssuer*']);
      expect(await asked()).not.to.include.members(['AzureTenant*']);
      await page.fill('#node-config-input-OAuthIssuer', '');
    });

    it('asks for the token that InitiateOAuth=OFF needs', async () => {
      await choose('AuthScheme', 'AzureServicePrincipal');
      await choose('InitiateOAuth', 'OFF');
      expect(await asked()).to.include.members(['OAuthAccessToken*', 'OAuthExpiresIn']);
      expect(await asked()).not.to.include.any.members(['AzureTenant', 'OAuthClientId', 'OAuthClientSecret']);
      await choose('InitiateOAuth', '');
    });

    it('shows all fields of a section when asked', async () => {
      await choose('AuthScheme', 'AzureServicePrincipal');
      const more = page.locator('details[data-group="azure"] .pg-entra-more');
      expect(await more.textContent()).to.equal('3 more …');
      await more.click();
      expect(await asked()).to.include.members(['AzureEnvironment', 'AzureAuthority', 'AzureRegion']);
      expect(await more.isVisible()).to.equal(false);
    });

    it('tests a token while server and role are not known yet', async () => {
      const { AzureTenant, AzureAuthority, TokenCA, OAuthClientId, OAuthClientSecret } =
        parseConnectionString(sandbox!.connections.secret);
      await page.locator('details[data-group="ssl"] summary').click();
      const values = { AzureTenant, AzureAuthority, TokenCA, OAuthClientId, OAuthClientSecret };
      for (const [name, value = ''] of Object.entries(values))
        await page.fill(`#node-config-input-${name}`, value);
      await page.click('#pg-entra-test-token');
      await page.waitForSelector('#pg-entra-report .pg-entra-result');
      await page.click('#pg-entra-test');
      const failed = page.locator('#pg-entra-report li.pg-entra-failed');
      await failed.waitFor();
      expect(await failed.locator('code').textContent()).to.equal('PROPERTIES_MISSING');
    });

    it('is saved although it cannot be used yet', async () => {
      await choose('AuthScheme', 'AzureServicePrincipalCert');
      await page.fill('#node-config-input-Server', 'not.there.example');
      await page.click('#node-config-dialog-ok');
      await page.locator('.red-ui-tray').waitFor({ state: 'detached' });
      const saved = await page.evaluate((each) => {
        const { Server, AuthScheme, InitiateOAuth } = RED.nodes.node(each) as Record<string, unknown>;
        return { Server, AuthScheme, InitiateOAuth };
      }, id);
      expect(saved).to.deep.equal({
        Server: 'not.there.example',
        AuthScheme: 'AzureServicePrincipalCert',
        InitiateOAuth: '',
      });
    });
  });

  describe('connection dialog of settings that say less than the form', () => {
    const pfx = 'pfx of a certificate';
    const idOf = (index: number): string => `1a2b3c4d5e6f03${String(index).padStart(2, '0')}`;
    const server = { Server: 'db.example', Database: 'd', User: 'u' };
    const identity = { AzureTenant: 'contoso.example', OAuthClientId: 'c' };
    const nodes = Object.entries({
      secretScheme: { AuthScheme: 'AzureServicePrincipal', OAuthJWTCertSubject: 'CN=flows' },
      noScheme: {},
      plain: { AuthScheme: 'AzureServicePrincipalCert' },
      withoutTls: { AuthScheme: 'AzureServicePrincipalCert', UseSSL: false },
      otherwiseWritten: { AuthScheme: 'azuread', InitiateOAuth: '${INITIATE}' },
      opened: { AuthScheme: 'AzureServicePrincipalCert', PoolMaxSize: '10', Timeout: '5' },
    }).map(([name, more], index) => ({
      id: idOf(index),
      type: 'pg-entra-connection',
      name,
      ...server,
      ...identity,
      ...more,
    }));
    const credentials = Object.fromEntries(
      nodes.map(({ id }) => [id, { OAuthJWTCert: pfx, OAuthJWTCertPassword: 'p' }]),
    );

    before(async () => {
      await page.locator('.red-ui-tray').waitFor({ state: 'detached' });
      await nodeRed!.deploy([...sample!.flows, ...nodes], {
        ...sampleCredentials([sample!], sandbox!),
        ...credentials,
      });
      await page.reload();
      await page.waitForFunction((node) => Boolean(RED.nodes.node(node)), idOf(0));
    });

    const open = async (name: string): Promise<string> => {
      const { id } = nodes.find((each) => each.name === name)!;
      await page.evaluate((node) => RED.editor.editConfig('', 'pg-entra-connection', node), id);
      await page.waitForSelector('#pg-entra-test');
      return id;
    };
    /** Presses OK and gives what the editor then holds of the node. */
    const save = async (id: string): Promise<Record<string, unknown>> => {
      await page.click('#node-config-dialog-ok');
      await page.locator('.red-ui-tray').waitFor({ state: 'detached' });
      return page.evaluate((node) => {
        const {
          AuthScheme,
          OAuthJWTCertSubject,
          UseSSL,
          credentials: stored,
        } = RED.nodes.node(node) as {
          credentials: Record<string, unknown>;
        } & Record<string, unknown>;
        const { has_OAuthJWTCert, has_OAuthJWTCertPassword, OAuthJWTCert } = stored;
        return {
          ...{ AuthScheme, OAuthJWTCertSubject, hasUseSSL: UseSSL !== undefined, UseSSL },
          ...{ has_OAuthJWTCert, has_OAuthJWTCertPassword, OAuthJWTCert },
        };
      }, id);
    };
    const kept = { has_OAuthJWTCert: true, has_OAuthJWTCertPassword: true };
    const isShown = (name: string): Promise<boolean> =>
      page
        .locator(`.pg-entra-form [data-property="${name}"]`)
        .evaluate((element: Element) => element.style.display !== 'none');

    for (const [name, scheme] of [
      ['secretScheme', 'AzureServicePrincipalCert'],
      ['noScheme', ''],
      ['plain', 'AzureServicePrincipalCert'],
    ] as const) {
      it(`shows a certificate that is stored, and OK keeps it (${name})`, async () => {
        const id = await open(name);
        expect(await page.inputValue('#node-config-input-AuthScheme')).to.equal(scheme);
        expect(await isShown('OAuthJWTCert')).to.equal(true);
        const saved = await save(id);
        expect(saved).to.include({ ...kept, AuthScheme: scheme });
        expect(saved['OAuthJWTCert']).to.equal(undefined);
        if (name === 'secretScheme') expect(saved['OAuthJWTCertSubject']).to.equal('CN=flows');
      });
    }

    it('finds a choice in other letter case and keeps a variable', async () => {
      const id = await open('otherwiseWritten');
      expect(await page.inputValue('#node-config-input-AuthScheme')).to.equal('AzureAD');
      expect(await page.inputValue('#node-config-input-InitiateOAuth')).to.equal('${INITIATE}');
      expect(await isShown('OAuthAccessToken')).to.equal(false);
      await page.click('details[data-group="oauth"] .pg-entra-more');
      expect(await isShown('OAuthAccessToken')).to.equal(true);
      expect(await save(id)).to.include({ ...kept, AuthScheme: 'AzureAD' });
    });

    it('opens a section in which something other than a default is set', async () => {
      await open('opened');
      const isOpen = (group: string): Promise<boolean> =>
        page.locator(`details[data-group="${group}"]`).evaluate((each: Element) => each.open);
      expect(await isOpen('miscellaneous')).to.equal(true);
      expect(await isOpen('pooling')).to.equal(false);
      await page.click('#node-config-dialog-cancel');
      await page.locator('.red-ui-tray').waitFor({ state: 'detached' });
    });

    it('still drops the certificate when the user chooses the client secret', async () => {
      const id = await open('plain');
      await page.selectOption('#node-config-input-AuthScheme', 'AzureServicePrincipal');
      expect(await isShown('OAuthJWTCert')).to.equal(false);
      expect(await save(id)).to.include({ has_OAuthJWTCert: false, has_OAuthJWTCertPassword: false });
    });

    it('drops nothing that the user has not hidden', async () => {
      const id = await open('secretScheme');
      // As a script in the editor does it: no event of the browser stands behind it.
      await page.evaluate(() =>
        $('#node-config-input-AuthScheme').val('AzureServicePrincipal').trigger('change'),
      );
      expect(await isShown('OAuthJWTCert')).to.equal(true);
      expect(await save(id)).to.include({ ...kept, OAuthJWTCertSubject: 'CN=flows' });
    });

    it('shows a missing UseSSL as its default and does not store it', async () => {
      const id = await open('noScheme');
      expect(await page.isChecked('#node-config-input-UseSSL')).to.equal(true);
      expect(await save(id)).to.include({ hasUseSSL: false });
    });

    it('stores a UseSSL that is not the default, and shows one that is stored', async () => {
      const stored = await open('withoutTls');
      expect(await page.isChecked('#node-config-input-UseSSL')).to.equal(false);
      expect(await save(stored)).to.include({ UseSSL: false });

      const id = await open('noScheme');
      await page.locator('#node-config-input-UseSSL').evaluate((box: { click(): void }) => box.click());
      expect(await save(id)).to.include({ UseSSL: false });
    });
  });

  describe('operation dialog', () => {
    before(async () => {
      const { id } = sample!.flows.find((node) => node['operation'] === 'select')!;
      await page.locator('.red-ui-tray').waitFor({ state: 'detached' });
      await page.evaluate((node) => RED.editor.edit(RED.nodes.node(node)), id);
      await page.waitForSelector('#pg-entra-editor-sql .view-line');
    });

    const shownParameters = async (): Promise<(string | undefined)[]> =>
      page
        .locator('.pg-entra-form [data-parameter]')
        .evaluateAll((rows: Element[]) =>
          rows.filter((each) => each.style.display !== 'none').map((each) => each.dataset['parameter']),
        );

    it('shows the parameters of the chosen operation', async () => {
      for (const { name, inputSchema } of manifest().operations) {
        await page.selectOption('#node-input-operation', name);
        expect(await shownParameters()).to.have.members(Object.keys(inputSchema['properties'] as object));
        await page.screenshot({ path: join(pictures, `operation-${name}.png`) });
      }
    });

    it('keeps what was there when it is saved unchanged', async () => {
      const { id, ...before } = sample!.flows.find((node) => node['operation'] === 'select')!;
      await page.selectOption('#node-input-operation', 'select');
      await page.click('#node-dialog-ok');
      await page.locator('.red-ui-tray').waitFor({ state: 'detached' });
      const saved = await page.evaluate((node) => {
        const { operation, input, output, batchSize } = RED.nodes.node(node) as Record<string, unknown>;
        return { operation, input, output, batchSize };
      }, id);
      const { operation, input, output, batchSize } = before;
      expect(saved).to.deep.equal({ operation, input, output, batchSize });
    });
  });

  it('makes the browser complain about nothing', () => {
    expect(complaints).to.deep.equal([]);
  });
});
