import { expect } from 'chai';
import { initialResponse, readDemand } from '#src/connection/oauth-bearer.js';
import { Secret } from '#src/settings/secret.js';
import { failure } from '../support/failure.js';

const demandOf = (document: unknown) =>
  readDemand(Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)));

describe('messages of OAUTHBEARER (RFC 7628)', () => {
  for (const length of [1, 8_192, 65_536]) {
    it(`A-14 carry a token of ${String(length)} characters whole`, () => {
      const token = 'x'.repeat(length);
      const message = initialResponse(new Secret(token));
      expect(message.readInt32BE(1)).to.equal(message.length - 1);
      expect(message.readInt32BE('p....OAUTHBEARER\0'.length)).to.equal(length + 'n,,.auth=Bearer ..'.length);
      expect(message.toString('latin1'))
        .to.match(/n,,\x01auth=Bearer x+\x01\x01$/)
        .and.include(token);
    });
  }

  for (const [title, token] of [
    ['the separator', 'a\x01host=evil'],
    ['U+0000', 'a\0b'],
    ['a line feed', 'a\nb'],
    ['a blank', 'a b'],
    ['a letter beyond ASCII', 'aé'],
    ['nothing', ''],
    ['more than 64 KiB', 'x'.repeat(65_537)],
  ] as const) {
    it(`A-14 carry no token that holds ${title}`, async () => {
      await failure(() => initialResponse(new Secret(token)), 'POSTGRESQL:QUERY_EXECUTION', 'INTERNAL');
    });
  }

  it('tell what a server wants', () => {
    expect(
      demandOf({ status: 'invalid_token', scope: 'db', 'openid-configuration': 'https://a/x' }),
    ).to.deep.equal({
      status: 'invalid_token',
      scope: 'db',
      configuration: 'https://a/x',
    });
    expect(demandOf({ status: 'insufficient_scope' })).to.deep.equal({
      status: 'insufficient_scope',
      scope: undefined,
      configuration: undefined,
    });
  });

  it('A-07 make the text of a stranger fit for a message', () => {
    const demand = demandOf({
      status: 'invalid_token',
      scope: `\u001b[2J\n${'x'.repeat(5_000)}`,
      'openid-configuration': ['no text'],
      __proto__: { polluted: true },
    });
    expect(demand?.scope).to.have.length.below(320);
    expect(demand?.scope).to.match(/^[\x20-\x7e]+$/);
    expect(demand?.configuration).to.equal(undefined);
  });

  for (const [title, document] of [
    ['text', 'nonsense'],
    ['an array', ['invalid_token']],
    ['null', 'null'],
    ['without a status', { scope: 'x' }],
    ['with a status that is no text', { status: 7 }],
    ['too large', { status: 'x'.repeat(9_000) }],
    ['nested without end', '['.repeat(8_000)],
    ['empty', ''],
  ] as const) {
    it(`A-07 find nothing in a document that is ${title}`, () => {
      expect(demandOf(document)).to.equal(undefined);
    });
  }
});
