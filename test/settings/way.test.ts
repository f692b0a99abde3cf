import { expect } from 'chai';
import { createHash, X509Certificate } from 'node:crypto';
import { inspect } from 'node:util';
import { createCertificateAuthority } from '#sandbox/certificates.js';
import type { ErrorCode } from '#src/errors.js';
import { explainSettings, type ServerSettings } from '#src/settings/settings.js';
import { failure } from '../support/failure.js';

const SETTINGS = 'POSTGRESQL:SETTINGS';
const TOKEN = 'Server=db;User=u;AzureTenant=c.example;OAuthClientId=i;OAuthClientSecret=s;';
const PASSWORD = 'Server=db;User=u;Password=p;';
const serverOf = (text: string): ServerSettings => explainSettings(text).settings.server;
const notesOf = (text: string): string[] => explainSettings(text).notes.map((note) => note.text);
const DIGEST = createHash('sha256').update('a key').digest('base64').replace(/=+$/, '');
const SSH = `UseSSH=true;SSHServer=bastion;SSHUser=t;SSHServerFingerprint=SHA256:${DIGEST};`;

describe('the way to the server', () => {
  it('is direct where nothing is said', () => {
    expect(serverOf(TOKEN).way).to.deep.equal({ firewall: undefined, ssh: undefined });
  });

  const proxies: readonly (readonly [given: string, protocol: string, port: number])[] = [
    ['FirewallType=TUNNEL', 'http', 80],
    ['FirewallType=socks4', 'socks4', 1080],
    ['FirewallType=SOCKS5', 'socks5', 1080],
    ['FirewallType=SOCKS5;FirewallPort=0', 'socks5', 1080],
    ['FirewallType=TUNNEL;FirewallPort=3128', 'http', 3128],
  ];
  for (const [given, protocol, port] of proxies)
    it(`is ${protocol} at ${String(port)} with ${given}`, () => {
      const text = `${TOKEN}${given};FirewallServer=proxy;FirewallUser=fu;FirewallPassword=f1re`;
      const { firewall } = serverOf(text).way;
      expect(firewall).to.include({ protocol, host: 'proxy', port, user: 'fu' });
      expect(firewall?.password?.reveal()).to.equal(protocol === 'socks4' ? undefined : 'f1re');
      expect(inspect(explainSettings(text), { depth: null })).not.to.include('f1re');
      const idle = 'FirewallPassword has no effect with FirewallType SOCKS4.';
      expect(notesOf(text)).to.deep.equal(protocol === 'socks4' ? [idle] : []);
    });

  it('takes a colon in the user name of SOCKS, whose fields have lengths', () => {
    const text = `${TOKEN}FirewallType=SOCKS5;FirewallServer=proxy;FirewallUser=domain:u`;
    expect(serverOf(text).way.firewall?.user).to.equal('domain:u');
  });

  it('names its hosts as certificates and DNS do', () => {
    const { way, hosts } = serverOf(
      `${TOKEN}${SSH}SSHPassword=x;SSHServer=bücke.example;FirewallType=SOCKS5;FirewallServer=straße.example;Server="bücher.example,[::1],Plain.example"`,
    );
    expect(way.ssh?.host).to.equal('xn--bcke-0ra.example');
    expect(way.firewall?.host).to.equal('xn--strae-oqa.example');
    expect(hosts.map(({ host }) => host)).to.deep.equal(['xn--bcher-kva.example', '::1', 'Plain.example']);
  });

  it('is SSH by password or by key', () => {
    const { ssh } = serverOf(`${TOKEN}${SSH}SSHPassword=x`).way;
    expect(ssh).to.include({ host: 'bastion', port: 22, user: 't', fingerprint: DIGEST });
    expect(ssh?.proof.kind).to.equal('password');
    const byKey = serverOf(
      `${TOKEN}${SSH}SSHPort=2222;SSHAuthMode=Public_Key;SSHClientCert=/id;SSHClientCertType=PUBLIC_KEY_FILE`,
    );
    expect(byKey.way.ssh).to.include({ port: 2222 });
    expect(byKey.way.ssh?.proof).to.include({ kind: 'key', isFile: true });
  });

  it('says nothing of values that ask for nothing, and notes others that do not count', () => {
    expect(
      notesOf(`${TOKEN}UseSSH=false;SSHPort=22;SSHAuthMode=None;FirewallType=NONE;FirewallPort=0`),
    ).to.deep.equal([]);
    expect(notesOf(`${TOKEN}SSHServer=x;FirewallServer=y`)).to.deep.equal([
      'FirewallServer has no effect with FirewallType NONE.',
      'SSHServer has no effect with UseSSH false.',
    ]);
  });

  const refused: readonly (readonly [text: string, code: ErrorCode, words: string])[] = [
    ['FirewallType=SOCKS5', 'PROPERTIES_MISSING', 'FirewallServer (Firewall)'],
    [
      'FirewallType=TUNNEL;FirewallServer=proxy;FirewallUser=domain:u',
      'PROPERTY_INVALID',
      'FirewallUser must hold neither control characters nor a colon',
    ],
    [
      'FirewallType=TUNNEL;FirewallServer=http://proxy',
      'PROPERTY_INVALID',
      'FirewallServer must be one host name',
    ],
    ['UseSSH=true', 'PROPERTIES_MISSING', 'SSHServer, SSHUser, SSHPassword, SSHServerFingerprint (SSH)'],
    [`${SSH}SSHAuthMode=Public_Key`, 'PROPERTIES_MISSING', 'SSHClientCert (SSH)'],
    [`${SSH}SSHAuthMode=None;SSHPassword=x`, 'PROPERTY_UNSUPPORTED', 'asks for no proof is not used'],
    [
      `${SSH}SSHPassword=x;SSHServerFingerprint=d4:1d:8c:d9:8f:00:b2:04:e9:80:09:98:ec:f8:42:7e`,
      'PROPERTY_UNSUPPORTED',
      'MD5 can be forged',
    ],
    [`${SSH}SSHPassword=x;SSHServerFingerprint=*`, 'PROPERTY_INVALID', 'must be SHA256: and 43 characters'],
    [
      `${SSH}SSHAuthMode=Public_Key;SSHClientCert=/k.ppk;SSHClientCertType=PPKFILE`,
      'PROPERTY_UNSUPPORTED',
      'puttygen',
    ],
  ];
  for (const [given, code, words] of refused)
    it(`refuses ${given}`, async () => {
      expect((await failure(() => explainSettings(TOKEN + given), SETTINGS, code)).message).to.include(words);
    });
});

describe('the pinned certificate', () => {
  const HEX = createHash('sha256').update('a certificate').digest('hex');
  const COLONS = HEX.toUpperCase().replace(/..(?=.)/g, '$&:');

  for (const given of [HEX, COLONS, `sha256 Fingerprint=${COLONS}`, `SHA256:${HEX}`])
    it(`is ${given.slice(0, 24)}…`, () => {
      expect(serverOf(`${TOKEN}SSLServerCert="${given}"`).tls).to.deep.include({ pins: [HEX.toUpperCase()] });
    });

  it('is a whole certificate, or several', async () => {
    const { pem } = await createCertificateAuthority('transport test CA');
    const pin = new X509Certificate(pem).fingerprint256.replaceAll(':', '');
    expect(serverOf(`${TOKEN}SSLServerCert="${pem}${pem}"`).tls.pins).to.deep.equal([pin, pin]);
  });

  it('stands in for SSLCA and for weaker modes', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
    const text = `${PASSWORD}SSLServerCert=${HEX};SSLMode=require;SSLCA="${pem}"`;
    expect(serverOf(text).tls.mode).to.equal('verify-full');
    expect(notesOf(text)).to.deep.equal([
      'SSLMode require is read as verify-full: with SSLServerCert the server is verified.',
      'SSLCA has no effect with SSLServerCert.',
    ]);
    expect(notesOf(`${PASSWORD}SSLMode=disable;SSLServerCert=${HEX}`)).to.deep.equal([
      'SSLServerCert has no effect with SSLMode disable.',
    ]);
  });

  for (const given of ['system', ''])
    it(`is never "${given}": no pin at all would be taken for one`, async () => {
      const refused = () => explainSettings(`${PASSWORD}SSLServerCert="${given}"`);
      if (given === '') expect(refused().settings.server.tls.pins).to.equal(undefined);
      else
        expect((await failure(refused, SETTINGS, 'PROPERTY_INVALID')).message).to.include(
          'SSLServerCert must be a SHA-256 thumbprint',
        );
    });

  it('that is begun and not ended is damaged', async () => {
    const refused = () => explainSettings(`${PASSWORD}SSLServerCert="-----BEGIN CERTIFICATE-----\nAA=="`);
    expect((await failure(refused, SETTINGS, 'PROPERTY_INVALID')).message).to.include('is damaged');
  });

  const MD5 = 'd41d8cd98f00b204e9800998ecf8427e';
  const SHA1 = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';
  for (const [given, words] of [
    ['*', 'any certificate would be taken'],
    [MD5, 'MD5 and SHA-1 can be forged'],
    [SHA1, 'MD5 and SHA-1 can be forged'],
    [`SHA1 Fingerprint=${SHA1}`, 'MD5 and SHA-1 can be forged'],
    ['-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----', 'a public key is not compared'],
    ['sha256//AAAA', 'a public key is not compared'],
  ] as const)
    for (const login of [TOKEN, PASSWORD])
      it(`refuses ${given.slice(0, 24)} with ${login === TOKEN ? 'a token' : 'a password'}`, async () => {
        const refused = () => explainSettings(`${login}SSLServerCert="${given}"`);
        expect((await failure(refused, SETTINGS, 'PROPERTY_UNSUPPORTED')).message).to.include(words);
      });

  for (const cut of [SHA1.slice(0, 38), MD5.repeat(2).slice(0, -1), `${MD5.repeat(2)}0`])
    it(`refuses a thumbprint of ${cut.length} digits as such`, async () => {
      const refused = () => explainSettings(`${TOKEN}SSLServerCert=${cut}`);
      expect((await failure(refused, SETTINGS, 'PROPERTY_INVALID')).message).to.include(
        'SSLServerCert must be a whole SHA-256 thumbprint of 64 hexadecimal digits',
      );
    });

  it('refuses what is no certificate', async () => {
    const damaged = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----';
    const refused = () => explainSettings(`${TOKEN}SSLServerCert="${damaged}"`);
    await failure(refused, SETTINGS, 'PROPERTY_INVALID');
    await failure(
      () => explainSettings(`${TOKEN}SSLServerCert=/no/such`),
      SETTINGS,
      'PROPERTY_FILE_UNREADABLE',
    );
  });
});
