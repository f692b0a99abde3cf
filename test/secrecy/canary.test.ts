import { expect } from 'chai';
import { canaryForms, expectNoCanary } from '../support/canary.js';

// Every encoding changes it: quotes and a line break for JSON, + and / for base64url, ~ and blanks for URLs.
const SECRET = 'q~8"£\n ÿþ¿/+c4n4ry';
const TOKEN = `eyJ0eXAi.${'kL9-_x2Q'.repeat(20)}.sig`;

/** Each way in which a text may end up in an output. */
const ENCODINGS: Readonly<Record<string, (text: string) => string>> = {
  plain: (text) => text,
  base64: (text) => Buffer.from(text).toString('base64'),
  base64url: (text) => Buffer.from(text).toString('base64url'),
  hex: (text) => Buffer.from(text).toString('hex'),
  'upper-case hex': (text) => Buffer.from(text).toString('hex').toUpperCase(),
  'URL-encoded': encodeURIComponent,
  'lower-case URL-encoded': (text) => encodeURIComponent(text).replace(/%../g, (c) => c.toLowerCase()),
  'form-encoded': (text) => new URLSearchParams({ text }).toString(),
  'JSON-escaped': (text) => JSON.stringify({ text }),
};

describe('the canary scan', () => {
  for (const [name, encode] of Object.entries(ENCODINGS)) {
    it(`X-01 finds a secret in ${name}, alone and within other text`, () => {
      for (const before of ['', 'a', 'bc', 'def'])
        expect(() => {
          expectNoCanary(['harmless', `line ${encode(`${before}${SECRET}end`)} line`], [SECRET]);
        }, before).to.throw('an output holds a secret');
    });

    it(`X-02 finds half of a token in ${name}`, () => {
      for (const half of [
        TOKEN.slice(0, TOKEN.length / 2),
        TOKEN.slice(TOKEN.length / 2),
        TOKEN.slice(3, 34),
      ])
        expect(() => {
          expectNoCanary([encode(`x${half}x`)], [TOKEN]);
        }, half).to.throw('an output holds a secret');
    });
  }

  it('finds nothing in text without the secret', () => {
    const harmless = Object.values(ENCODINGS).map((encode) =>
      encode('another text, as long as the secret is'),
    );
    expect(() => {
      expectNoCanary(harmless, [SECRET, TOKEN]);
    }).not.to.throw();
  });

  it('refuses to search nothing, for nothing, or for what is too short', () => {
    for (const [outputs, secrets] of [
      [[], [SECRET]],
      [['text'], []],
      [['text'], ['short']],
    ] as const)
      expect(() => {
        expectNoCanary(outputs, secrets);
      }).to.throw();
  });

  it('has no form so short that it is found by chance', () => {
    for (const form of [...canaryForms('12345678'), ...canaryForms(TOKEN)])
      expect(form.length).to.be.at.least(8);
  });
});
