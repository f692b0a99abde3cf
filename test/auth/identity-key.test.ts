import { expect } from 'chai';
import { storeFingerprint, tokenKey } from '#src/auth/identity-key.js';
import { explainSettings } from '#src/settings/settings.js';

const BASE = {
  Server: 'db',
  User: 'u',
  AzureTenant: 'contoso.example',
  OAuthClientId: 'client',
  OAuthClientSecret: 'secret',
};

const identityOf = (changes: Record<string, string> = {}) =>
  explainSettings({ ...BASE, ...changes }).settings.identity;

/** Each differs from the base in one thing that makes it another identity. */
const OTHERS: readonly (readonly [what: string, changes: Record<string, string>])[] = [
  ['tenant', { AzureTenant: 'fabrikam.example' }],
  ['client', { OAuthClientId: 'other' }],
  ['scope', { Scope: 'https://other.example/.default' }],
  ['authority', { AzureAuthority: 'https://login.example' }],
  ['cloud', { AzureEnvironment: 'USGOVT' }],
  ['secret', { OAuthClientSecret: 'other' }],
  ['audience', { OAuthAudience: 'api://other' }],
  ['a name of a prototype as client', { OAuthClientId: '__proto__' }],
  ['text that moves over a boundary', { AzureTenant: 'contoso.exampl', OAuthClientId: 'eclient' }],
  ['separators in the client', { OAuthClientId: 'client"],["secret' }],
];

describe('whose token it is', () => {
  for (const [what, changes] of OTHERS) {
    it(`C-10 C-11 C-12 is never shared with another ${what}`, () => {
      expect(tokenKey(identityOf(changes))).not.to.equal(tokenKey(identityOf()));
    });
  }

  it('C-10 is the same for the same identity, whatever the database and the role', () => {
    expect(tokenKey(identityOf({ Server: 'other', Database: 'd', User: 'r' }))).to.equal(
      tokenKey(identityOf()),
    );
  });

  it('C-10 is never shared by all of them together', () => {
    const keys = [identityOf(), ...OTHERS.map(([, changes]) => identityOf(changes))].map(tokenKey);
    expect(new Set(keys).size).to.equal(keys.length);
  });

  it('F-12 the fingerprint of a file knows authority, tenant, client, scope and kind of credential, and no secret', () => {
    const own = storeFingerprint(identityOf());
    const other = (what: string) => OTHERS.find(([name]) => name === what)?.[1] ?? {};
    for (const what of ['tenant', 'client', 'scope', 'authority', 'cloud'])
      expect(storeFingerprint(identityOf(other(what))), what).not.to.equal(own);
    expect(storeFingerprint(identityOf(other('secret')))).to.equal(own);
    const certificate = explainSettings({ ...BASE, OAuthClientSecret: '', OAuthJWTCert: '/a.pem' }).settings
      .identity;
    expect(storeFingerprint(certificate)).not.to.equal(own);
  });
});
