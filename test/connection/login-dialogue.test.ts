import { expect } from 'chai';
import { LoginDialogue, type LoginProof } from '#src/connection/login-dialogue.js';
import { Secret } from '#src/settings/secret.js';

const TOKEN: LoginProof = { kind: 'token', token: new Secret('eyJh.eyJi.c2ln'), isVerified: true };
const UNVERIFIED: LoginProof = { ...TOKEN, isVerified: false };
const password = (
  weakest: 'SCRAM-SHA-256' | 'MD5' | 'PASSWORD' = 'SCRAM-SHA-256',
  isVerified = true,
): LoginProof => ({ kind: 'password', weakest, isVerified });

/** Body of an AuthenticationRequest. */
function request(code: number, rest: Buffer | string = ''): Buffer {
  const head = Buffer.alloc(4);
  head.writeInt32BE(code);
  return Buffer.concat([head, Buffer.from(rest)]);
}

const OK = request(0);
const CLEARTEXT = request(3);
const MD5 = request(5, 'salt');
const SASL = request(10, 'SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0');
const CONTINUE = request(11, 'r=x');
const FINAL = request(12, 'v=x');
const BEARER = request(10, 'OAUTHBEARER\0\0');
const DEMAND = request(11, '{"status":"invalid_token","scope":"s","openid-configuration":"https://issuer"}');

/** What became of each of `requests`: `passed`, the text that answered it, or the code of its refusal. */
function walk(proof: LoginProof, requests: readonly Buffer[]): { verdicts: string[]; isAccepted: boolean } {
  const dialogue = new LoginDialogue(proof);
  const verdicts = requests.map((body) => {
    const admission = dialogue.admit(body);
    if (admission.kind === 'passed') return 'passed';
    if (admission.kind === 'answered') return admission.reply.toString('latin1');
    return typeof admission.reason === 'string' ? 'violation' : admission.reason.code;
  });
  return { verdicts, isAccepted: dialogue.isAccepted };
}

const PASSED: readonly (readonly [title: string, proof: LoginProof, requests: readonly Buffer[]])[] = [
  ['A-01 a token for a cleartext request', TOKEN, [CLEARTEXT, OK]],
  ['a password by SCRAM', password(), [SASL, CONTINUE, FINAL, OK]],
  ['a password by SCRAM where a weaker way is allowed', password('PASSWORD'), [SASL, CONTINUE, FINAL, OK]],
  ['a password by MD5, by name', password('MD5'), [MD5, OK]],
  ['a password in the clear, by name, to a verified server', password('PASSWORD'), [CLEARTEXT, OK]],
];

const REFUSED: readonly (readonly [
  title: string,
  proof: LoginProof,
  requests: readonly Buffer[],
  verdict: string,
])[] = [
  ['A-05 nobody asks (trust)', TOKEN, [OK], 'TOKEN_LOGIN_NOT_OFFERED'],
  ['A-05 nobody asks (trust), with a password', password(), [OK], 'PASSWORD_LOGIN_NOT_OFFERED'],
  ['A-04 a token is asked for by SCRAM', TOKEN, [SASL], 'TOKEN_LOGIN_NOT_OFFERED'],
  ['A-03 a token is asked for by MD5', TOKEN, [MD5], 'TOKEN_LOGIN_NOT_OFFERED'],
  ['a token is asked for twice', TOKEN, [CLEARTEXT, CLEARTEXT], 'violation'],
  ['a password is asked for by MD5, unnamed', password(), [MD5], 'PASSWORD_LOGIN_NOT_OFFERED'],
  ['a password is asked for in the clear, unnamed', password(), [CLEARTEXT], 'PASSWORD_LOGIN_NOT_OFFERED'],
  [
    'a password is asked for in the clear where MD5 is named',
    password('MD5'),
    [CLEARTEXT],
    'PASSWORD_LOGIN_NOT_OFFERED',
  ],
  [
    'a password is asked for in the clear by a server that is not verified',
    password('PASSWORD', false),
    [CLEARTEXT],
    'PASSWORD_LOGIN_NOT_OFFERED',
  ],
  ['A-08 the server does not prove itself in SCRAM', password(), [SASL, CONTINUE, OK], 'violation'],
  ['the server skips SCRAM after its first message', password(), [SASL, OK], 'violation'],
  ['SCRAM turns into a cleartext request', password('PASSWORD'), [SASL, CLEARTEXT], 'violation'],
  [
    'the server offers no SCRAM that is known',
    password(),
    [request(10, 'X\0\0')],
    'PASSWORD_LOGIN_NOT_OFFERED',
  ],
  ['A-07 a password is met by OAUTHBEARER alone', password(), [BEARER], 'TOKEN_EXPECTED'],
  ['A-02 a token for a server that is not verified', UNVERIFIED, [CLEARTEXT], 'INTERNAL'],
  ['A-02 a token by OAUTHBEARER for a server that is not verified', UNVERIFIED, [BEARER], 'INTERNAL'],
  [
    'a mechanism whose name only begins with ours',
    TOKEN,
    [request(10, 'OAUTHBEARER2\0\0')],
    'TOKEN_LOGIN_NOT_OFFERED',
  ],
  ['a token is asked for again after OAUTHBEARER', TOKEN, [BEARER, BEARER], 'violation'],
  ['a token is asked for in the clear after OAUTHBEARER', TOKEN, [BEARER, CLEARTEXT], 'violation'],
  ['OAUTHBEARER is offered after a request in the clear', TOKEN, [CLEARTEXT, BEARER], 'violation'],
  ['OAUTHBEARER ends in a proof that it does not have', TOKEN, [BEARER, FINAL], 'violation'],
  ['the server lets us in although it refused the token', TOKEN, [BEARER, DEMAND, OK], 'violation'],
  ['the server refuses the token twice', TOKEN, [BEARER, DEMAND, DEMAND], 'violation'],
  ['the refusal of the token is no JSON', TOKEN, [BEARER, CONTINUE], 'violation'],
  ['MD5 comes without its salt', password('MD5'), [request(5)], 'PASSWORD_LOGIN_NOT_OFFERED'],
  ['A-06 Kerberos is asked for', password(), [request(7)], 'PASSWORD_LOGIN_NOT_OFFERED'],
  ['A-06 something unknown is asked for', password(), [request(77)], 'violation'],
];

describe('the dialogue of a login', () => {
  for (const [title, proof, requests] of PASSED) {
    it(`admits ${title}`, () => {
      const verdicts = requests.map(() => 'passed');
      expect(walk(proof, requests)).to.deep.equal({ verdicts, isAccepted: true });
    });
  }

  it('A-07 answers OAUTHBEARER itself, whatever else is offered, and the driver hears of the end', () => {
    const offers = [BEARER, request(10, 'SCRAM-SHA-256\0OAUTHBEARER\0\0')];
    for (const offer of offers) {
      const { verdicts, isAccepted } = walk(TOKEN, [offer, OK]);
      const answer = 'n,,\x01auth=Bearer eyJh.eyJi.c2ln\x01\x01';
      const sent = `OAUTHBEARER\0\0\0\0${String.fromCharCode(answer.length)}${answer}`;
      expect(verdicts).to.deep.equal([`p\0\0\0${String.fromCharCode(4 + sent.length)}${sent}`, 'passed']);
      expect(isAccepted).to.equal(true);
    }
  });

  it('A-07 acknowledges a refusal by OAUTHBEARER with one byte, and keeps what the server wants', () => {
    const dialogue = new LoginDialogue(TOKEN);
    dialogue.admit(BEARER);
    expect(dialogue.demand).to.equal(undefined);
    const admission = dialogue.admit(DEMAND);
    expect(admission).to.deep.equal({ kind: 'answered', reply: Buffer.from('p\0\0\0\x05\x01') });
    expect(dialogue.isAccepted).to.equal(false);
    expect(dialogue.demand).to.deep.equal({
      status: 'invalid_token',
      scope: 's',
      configuration: 'https://issuer',
    });
  });

  for (const [title, proof, requests, verdict] of REFUSED) {
    it(`refuses: ${title}`, () => {
      const { verdicts, isAccepted } = walk(proof, requests);
      expect(verdicts.at(-1)).to.equal(verdict);
      expect(isAccepted).to.equal(false);
    });
  }
});
