import { createDecipheriv, createHash, createHmac, hkdfSync } from 'node:crypto';
import { expect } from 'chai';
import { sealText, unsealText, type Seal } from '#src/auth/token-store/sealed-text.js';
import { FINGERPRINT, MATERIAL } from './stores.js';

const seal: Seal = { material: MATERIAL, fingerprint: FINGERPRINT };
const TEXT = JSON.stringify({ token: 'a token', note: 'ünïcode \u0000' });
const sealed = sealText(TEXT, seal);

const SALT = 22;
const NONCE = SALT + 32;
const BODY = NONCE + 12 + 32;

/** `bytes` with a checksum that fits, as somebody makes it who knows the format and not the key. */
function rechecked(bytes: Buffer): Buffer {
  const body = bytes.subarray(0, -32);
  return Buffer.concat([body, createHash('sha256').update(body).digest()]);
}

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

describe('sealed text', () => {
  it('gives the text back', () => {
    expect(unsealText(sealed, seal)).to.deep.equal({ kind: 'text', text: TEXT });
    expect(unsealText(sealText('', seal), seal)).to.deep.equal({ kind: 'text', text: '' });
  });

  it('is laid out as docs/token-file.md says: what is written there opens it', () => {
    let end = 0;
    const next = (length: number): Buffer => sealed.subarray(end, (end += length));
    const [header, salt, nonce, identity] = [next(22), next(32), next(12), next(32)];
    const [text, tag, checksum] = [next(sealed.length - 98 - 48), next(16), next(32)];
    const sha256 = (bytes: Buffer | string): Buffer => createHash('sha256').update(bytes).digest();
    expect(String(header)).to.equal('pg-entra token file 1\n');
    expect(identity).to.deep.equal(createHmac('sha256', salt).update(FINGERPRINT).digest());
    expect(checksum).to.deep.equal(sha256(sealed.subarray(0, -32)));
    const info = Buffer.concat([header, sha256(FINGERPRINT)]);
    const key = Buffer.from(hkdfSync('sha256', MATERIAL, salt, info, 32));
    const decipher = createDecipheriv('aes-256-gcm', key, nonce);
    decipher.setAAD(sealed.subarray(0, 98)).setAuthTag(tag);
    expect(decipher.update(text, undefined, 'utf8') + decipher.final('utf8')).to.equal(TEXT);
  });

  it('F-06 says of anything else that it is damaged', () => {
    const others = {
      'an empty file': Buffer.alloc(0),
      'a file of zeros': Buffer.alloc(sealed.length),
      'other JSON': Buffer.from('{"access_token":"x"}'),
      'the first line alone': sealed.subarray(0, SALT),
      'version 0': Buffer.concat([Buffer.from('pg-entra token file 0\n'), sealed.subarray(SALT)]),
      'more than there should be': Buffer.concat([sealed, Buffer.alloc(1)]),
    };
    for (const [what, bytes] of Object.entries(others))
      expect(unsealText(bytes, seal).kind, what).to.equal('damaged');
    for (let length = 0; length < sealed.length; length += 1)
      expect(unsealText(sealed.subarray(0, length), seal).kind, `cut at ${String(length)}`).to.equal(
        'damaged',
      );
  });

  it('F-07 does not open with another key', () => {
    const other = { ...seal, material: Buffer.from('another key') };
    expect(unsealText(sealed, other)).to.deep.equal({
      kind: 'foreign',
      problem: 'is encrypted with another key',
    });
  });

  it('F-08 opens with no bit flipped, also not where the checksum was made to fit', () => {
    for (let bit = 0; bit < sealed.length * 8; bit += 1)
      for (const bytes of [flipped(sealed, bit), rechecked(flipped(sealed, bit))]) {
        if (bytes.equals(sealed)) continue;
        expect(unsealText(bytes, seal).kind, `bit ${String(bit)}`).to.be.oneOf(['damaged', 'foreign']);
      }
  });

  it('F-09 leaves the file of a newer version alone, whatever follows its first line', () => {
    for (const version of ['2', '9', '10', '999999999'])
      expect(unsealText(Buffer.from(`pg-entra token file ${version}\nanything`), seal)).to.deep.equal({
        kind: 'foreign',
        problem: 'was written by a newer version of the connector',
      });
  });

  it('F-10 never uses a salt or a nonce twice', () => {
    const seen = new Set<string>();
    for (let writes = 0; writes < 2_000; writes += 1) {
      const bytes = sealText('', seal);
      seen.add(bytes.toString('latin1', SALT, NONCE)).add(bytes.toString('latin1', NONCE, NONCE + 12));
    }
    expect(seen.size).to.equal(4_000);
  });

  it('F-12 is bound to its identity: neither the file of another one nor a relabelled one opens', () => {
    const other = { ...seal, fingerprint: 'another tenant' };
    expect(unsealText(sealed, other)).to.deep.include({ kind: 'foreign' });
    const salt = sealed.subarray(SALT, NONCE);
    const theirs = sealText(TEXT, other);
    // The thief keeps salt, nonce and text of the one and takes over what names the other.
    const relabelled = Buffer.concat([
      sealed.subarray(0, NONCE + 12),
      theirs.subarray(NONCE + 12, BODY),
      sealed.subarray(BODY),
    ]);
    expect(salt.equals(theirs.subarray(SALT, NONCE))).to.equal(false);
    for (const fingerprint of [FINGERPRINT, 'another tenant'])
      expect(unsealText(rechecked(relabelled), { ...seal, fingerprint }).kind).to.equal('foreign');
  });
});
