import { expect } from 'chai';
import { failure } from '../support/failure.js';
import { useSandbox } from '../support/use-sandbox.js';

const CREDENTIALS = 'POSTGRESQL:INVALID_CREDENTIALS';

describe('AuthScheme=Password', function () {
  this.timeout(60_000);
  const use = useSandbox();
  const select = (changes: Record<string, string> = {}) =>
    use
      .connect({ ...use.properties({}, 'password'), ...changes })
      .execute('select', { sql: 'select current_user as me' });
  const logins = () => use.sandbox.control.logins();

  for (const kind of ['scram', 'scram-plus'] as const) {
    it(`logs in by ${kind}, without a token`, async () => {
      use.sandbox.control.setAuthentication(kind);
      expect((await select()).rows).to.deep.equal([{ me: use.sandbox.passwordRole.user }]);
      expect(use.sandbox.control.requests()).to.deep.equal([]);
    });
  }

  it('says what to check when the password is wrong', async () => {
    use.sandbox.control.setAuthentication('scram');
    const error = await failure(select({ Password: 'wrong' }), CREDENTIALS, 'PASSWORD_REFUSED');
    expect(error.cure).to.include('Password');
  });

  for (const [kind, method] of [
    ['md5', 'MD5'],
    ['cleartext', 'PASSWORD'],
  ] as const) {
    it(`gives the password to a server that asks for ${kind} only when RequireAuth=${method} says so`, async () => {
      use.sandbox.control.setAuthentication(kind);
      await failure(select(), CREDENTIALS, 'PASSWORD_LOGIN_NOT_OFFERED');
      expect(logins().some(({ passwordReceived }) => passwordReceived)).to.equal(false);
      expect((await select({ RequireAuth: method })).rows).to.have.length(1);
    });
  }

  it('gives no cleartext password to a server that is not verified, though RequireAuth=PASSWORD', async () => {
    use.sandbox.control.setAuthentication('cleartext');
    await failure(
      select({ RequireAuth: 'PASSWORD', SSLMode: 'require', SSLCA: '' }),
      CREDENTIALS,
      'PASSWORD_LOGIN_NOT_OFFERED',
    );
    expect(logins().some(({ passwordReceived }) => passwordReceived)).to.equal(false);
  });

  for (const kind of ['trust', 'gss', 'sspi'] as const) {
    it(`A-05 A-06 refuses a server that answers with ${kind}`, async () => {
      use.sandbox.control.setAuthentication(kind);
      await failure(select(), CREDENTIALS, 'PASSWORD_LOGIN_NOT_OFFERED');
    });
  }

  const TLS = 'POSTGRESQL:TLS';

  describe('SSLMode', () => {
    beforeEach(() => {
      use.sandbox.control.setAuthentication('scram');
    });

    it('verify-full is the default, and looks at chain and name', async () => {
      await use.sandbox.control.setCertificate('gate', 'wrong-host');
      await failure(select(), TLS, 'SERVER_HOST_NAME_MISMATCH');
    });

    it('verify-ca does not look at the name, but at the chain', async () => {
      await use.sandbox.control.setCertificate('gate', 'wrong-host');
      expect((await select({ SSLMode: 'verify-ca' })).rows).to.have.length(1);
      await use.sandbox.control.setCertificate('gate', 'unknown-ca');
      await failure(select({ SSLMode: 'verify-ca' }), TLS, 'SERVER_CERTIFICATE_UNTRUSTED');
    });

    it('require encrypts and looks at nothing, unless SSLCA names what to look for', async () => {
      await use.sandbox.control.setCertificate('gate', 'self-signed');
      await failure(select({ SSLMode: 'require' }), TLS, 'SERVER_CERTIFICATE_UNTRUSTED');
      expect((await select({ SSLMode: 'require', SSLCA: '' })).rows).to.have.length(1);
      expect(logins().every(({ encrypted }) => encrypted)).to.equal(true);
    });

    it('disable does not encrypt, as UseSSL=false says too', async () => {
      use.sandbox.control.setPlaintextOnly(true);
      await failure(select({ SSLMode: 'require' }), TLS, 'SERVER_WITHOUT_TLS');
      for (const changes of [{ SSLMode: 'disable' }, { UseSSL: 'false' }] as Record<string, string>[])
        expect((await select(changes)).rows).to.have.length(1);
      expect(logins().at(-1)?.encrypted).to.equal(false);
    });
  });
});
