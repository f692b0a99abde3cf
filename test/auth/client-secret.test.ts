import { expect } from 'chai';
import { basicAuthorization } from '#src/auth/client-secret.js';

describe('Authorization header of a client', () => {
  const decoded = (header: string): string =>
    Buffer.from(header.replace(/^Basic /, ''), 'base64').toString('utf8');

  it('encodes id and secret as form fields, as the example of RFC 6749 appendix B', () => {
    expect(decoded(basicAuthorization('a:b', ' %&+£€'))).to.equal('a%3Ab:+%25%26%2B%C2%A3%E2%82%AC');
  });

  it('leaves alone what many ids and secrets hold, for providers that do not decode', () => {
    const id = '796d8fae-a42f-4e4f-ab25-d6205b6d4fa2';
    expect(decoded(basicAuthorization(id, 'x-y_z.0*'))).to.equal(`${id}:x-y_z.0*`);
  });
});
