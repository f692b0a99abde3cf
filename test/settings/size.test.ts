import { expect } from 'chai';
import { parseSize } from '#src/settings/size.js';

describe('a size', () => {
  const SIZES: readonly (readonly [string, number])[] = [
    ['0', 0],
    ['1', 1],
    ['102400', 102_400],
    ['7B', 7],
    ['512KB', 524_288],
    ['512k', 524_288],
    ['100MB', 104_857_600],
    [' 100 mb ', 104_857_600],
    ['1GB', 1_073_741_824],
    ['2g', 2_147_483_648],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ];
  for (const [text, bytes] of SIZES) {
    it(`${JSON.stringify(text)} is ${String(bytes)} bytes`, () => {
      expect(parseSize(text)).to.equal(bytes);
    });
  }

  for (const text of [
    '',
    'MB',
    '-1',
    '1.5MB',
    '1e3',
    '0x10',
    '1 2',
    '1TB',
    '1  MB',
    '9007199254740992',
    '99999999GB',
    '١',
    '1MBB',
  ]) {
    it(`${JSON.stringify(text)} is none`, () => {
      expect(parseSize(text)).to.equal(undefined);
    });
  }
});
