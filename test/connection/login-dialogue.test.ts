import { expect } from 'chai';
import { LoginDialogue, type LoginProof } from '#src/connection/login-dialogue.js';

const TOKEN: LoginProof = { kind: 'token' };
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

/** Codes of the refusals along `requests`; '' for one that is admitted. */
function walk(proof: LoginProof, requests: readonly Buffer[]): { verdicts: string[]; isAccepted: boolean } {
  const dialogue = new LoginDialogue(proof);
  const verdicts = requests.map((body) => {
    const refusal = dialogue.admit(body);
    return refusal === undefined ? '' : typeof refusal === 'string' ? 'violation' : refusal.code;
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
    [request(10, 'OAUTHBEARER\0\0')],
    'PASSWORD_LOGIN_NOT_OFFERED',
  ],
  ['MD5 comes without its salt', password('MD5'), [request(5)], 'PASSWORD_LOGIN_NOT_OFFERED'],
  ['A-06 Kerberos is asked for', password(), [request(7)], 'PASSWORD_LOGIN_NOT_OFFERED'],
  ['A-06 something unknown is asked for', password(), [request(77)], 'violation'],
];

describe('the dialogue of a login', () => {
  for (const [title, proof, requests] of PASSED) {
    it(`admits ${title}`, () => {
      expect(walk(proof, requests)).to.deep.equal({ verdicts: requests.map(() => ''), isAccepted: true });
    });
  }

  for (const [title, proof, requests, verdict] of REFUSED) {
    it(`refuses: ${title}`, () => {
      const { verdicts, isAccepted } = walk(proof, requests);
      expect(verdicts.at(-1)).to.equal(verdict);
      expect(isAccepted).to.equal(false);
    });
  }
});
