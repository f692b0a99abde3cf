import { expect } from 'chai';
import { readClaims, receiveToken, type TokenPurpose } from '#src/auth/access-token.js';
import { FakeClock } from '../support/fake-clock.js';
import { failure } from '../support/failure.js';

const TENANT = '11111111-2222-3333-4444-555555555555';
const DATABASE = 'https://ossrdbms-aad.database.windows.net';

function jwt(claims: object | string): string {
  const part = (value: object | string): string =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part(claims)}.`;
}

/** What becomes of a token with `claims`: its warnings; throws what receiving throws. */
function receive(claims: object, purpose: Partial<TokenPurpose> = {}): string[] {
  const warnings: string[] = [];
  receiveToken(
    { accessToken: jwt(claims), expiresInSeconds: 3_599, sentAtMs: undefined },
    {
      resource: DATABASE,
      audience: undefined,
      tenantId: TENANT,
      warn: (text) => warnings.push(text),
      ...purpose,
    },
    new FakeClock(),
  );
  return warnings;
}

const refuses = (claims: object, purpose?: Partial<TokenPurpose>) =>
  failure(() => receive(claims, purpose), 'POSTGRESQL:AUTHENTICATION', 'TOKEN_NOT_FOR_DATABASE');

describe('a received token', () => {
  for (const aud of [
    DATABASE,
    `${DATABASE}/`,
    '123cd850-d9df-40bd-94d5-c9f07b7fa203',
    [DATABASE, 'x'],
    undefined,
  ]) {
    it(`T-23 takes the audience ${JSON.stringify(aud)} without a word`, () => {
      expect(receive({ aud })).to.deep.equal([]);
    });
  }

  for (const [aud, name] of [
    ['https://graph.microsoft.com', 'Microsoft Graph'],
    ['00000003-0000-0000-c000-000000000000', 'Microsoft Graph'],
    ['https://management.azure.com/', 'Azure Resource Manager'],
    ['https://database.windows.net/', 'Azure SQL Database'],
    ['https://vault.azure.net', 'Azure Key Vault'],
    ['https://storage.azure.com', 'Azure Storage'],
  ] as const) {
    it(`T-23 refuses ${aud}, a known other resource, by name`, async () => {
      expect((await refuses({ aud })).message).to.include(name);
    });
  }

  it('T-23 warns of any other audience: a token is opaque to its client', () => {
    expect(receive({ aud: 'api://something' })).to.have.length(1);
    expect(receive({ aud: '99999999-2222-3333-4444-555555555555' })[0]).to.include('99999999');
  });

  it('T-23 holds to OAuthAudience where it is set', async () => {
    expect(receive({ aud: 'api://mine' }, { audience: 'api://mine' })).to.deep.equal([]);
    expect(receive({ aud: ['x', 'api://mine/'] }, { audience: 'api://mine' })).to.deep.equal([]);
    await refuses({ aud: DATABASE }, { audience: 'api://mine' });
  });

  it('T-24 refuses a token of another tenant', async () => {
    expect(receive({ tid: TENANT.toUpperCase() })).to.deep.equal([]);
    await refuses({ tid: '99999999-2222-3333-4444-555555555555' });
  });

  for (const [what, token] of [
    ['garbage in three parts', 'a.b.c'],
    ['claims that are a list', jwt('[]')],
    ['claims that are text', jwt('"x"')],
    ['claims that are no JSON', jwt('{')],
    ['100 KB of claims', jwt({ x: 'y'.repeat(100_000) })],
    ['five parts, as an encrypted one', 'a.b.c.d.e'],
  ] as const) {
    it(`T-25 T-26 takes a token with ${what} for an opaque one`, () => {
      expect(readClaims(token)).to.equal(undefined);
    });
  }

  it('T-29 does not let claims change a prototype', () => {
    const claims = readClaims(jwt('{"__proto__":{"audience":"x"},"aud":1,"exp":"soon"}'));
    expect(claims).to.deep.equal({});
    expect(({} as { audience?: string }).audience).to.equal(undefined);
  });
});
