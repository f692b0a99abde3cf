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
import { manifest } from '#src/index.js';

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

/** The part of a DOM element that is looked at; this project is compiled without the DOM's types. */
interface Element {
  readonly dataset: Readonly<Record<string, string>>;
  readonly style: { readonly display: string };
  readonly textContent: string;
  querySelector(selector: string): Element | null;
}

const SCHEMA = manifest().connectionSpecification.properties;
const titleOf = (name: string): unknown => SCHEMA[name]?.['title'];
const CERTIFICATE_FIELDS = [
  'OAuthJWTCert',
  'OAuthJWTCertType',
  'OAuthJWTCertPassword',
  'OAuthJWTCertSubject',
];

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

    it('passes the test with the stored secret and shows each stage', async () => {
      await page.click('#pg-entra-test');
      await page.waitForSelector('#pg-entra-report [data-stage="privileges"]');
      const stages = await page
        .locator('#pg-entra-report li.pg-entra-passed')
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
      await page.screenshot({ path: join(pictures, 'connection-passed.png') });
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
      expect(await isShown('OAuthJWTCert')).to.equal(false);
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
