import { expect } from 'chai';
import { createSuppliedSource, readSuppliedToken } from '#src/auth/supplied-token.js';
import { Secret } from '#src/settings/secret.js';
import { FakeClock } from '../support/fake-clock.js';
import { failure } from '../support/failure.js';

const HOUR = 3_600_000;

function jwt(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256' })}.${part(claims)}.c2lnbmF0dXJl`;
}

describe('a token of the user (OAuthAccessToken)', () => {
  const clock = new FakeClock();
  const read = (text: string, lifetimeMs?: number, createdAtMs?: number) =>
    readSuppliedToken({ token: new Secret(text), lifetimeMs, createdAtMs }, clock);

  it('lives as OAuthExpiresIn and OAuthTokenTimestamp say', () => {
    const { token, isAgeKnown } = read('opaque', HOUR, clock.wallMs() - 600_000);
    expect(isAgeKnown).to.equal(true);
    expect(token.lifetimeMs).to.equal(HOUR - 600_000);
  });

  it('T-22 lives as its own claim says where that is earlier', () => {
    const exp = clock.wallMs() / 1_000 + 60;
    expect(read(jwt({ exp }), HOUR, clock.wallMs()).token.lifetimeMs).to.equal(60_000);
    expect(read(jwt({ exp })).isAgeKnown).to.equal(true);
  });

  it('has an unknown age without both properties and without a claim', () => {
    expect(read('opaque', HOUR).isAgeKnown).to.equal(false);
    expect(read('opaque', undefined, clock.wallMs()).isAgeKnown).to.equal(false);
    expect(read(jwt({ aud: 'x' })).isAgeKnown).to.equal(false);
  });

  it('is used as it is, without the line end of a file', () => {
    expect(read(' opaque\n').token.value.reveal()).to.equal('opaque');
  });

  for (const text of ['a b', '"x', 'x\0y', 'ü', '', 'x'.repeat(65_537)].map((each) =>
    each.replace('"x', '"x y"'),
  )) {
    it(`T-14 refuses ${JSON.stringify(text.slice(0, 10))}`, () =>
      failure(() => read(text), 'POSTGRESQL:SETTINGS', 'PROPERTY_INVALID'));
  }

  describe('with InitiateOAuth=OFF', () => {
    it('is given until its end, and then TOKEN_EXPIRED says when that was', async () => {
      const own = new FakeClock();
      const source = createSuppliedSource(
        readSuppliedToken({ token: new Secret('opaque'), lifetimeMs: HOUR, createdAtMs: own.wallMs() }, own),
        own,
      );
      expect((await source.get()).value.reveal()).to.equal('opaque');
      expect(source.health()).to.deep.equal({
        state: 'valid',
        expiresInSeconds: 3_600,
        obtained: 0,
        failed: 0,
      });
      own.advance(HOUR);
      const error = await failure(
        Promise.resolve(source.get()),
        'POSTGRESQL:AUTHENTICATION',
        'TOKEN_EXPIRED',
      );
      expect(error.message).to.include('2026-11-21T01:00:00.000Z');
      expect(source.health().state).to.equal('expired');
    });

    it('is not replaced when the server refuses it', async () => {
      const source = createSuppliedSource(read('opaque'), clock);
      expect(source.reject(await source.get())).to.equal(false);
      expect(source.health()).not.to.have.property('expiresInSeconds');
      source.close();
    });
  });
});
