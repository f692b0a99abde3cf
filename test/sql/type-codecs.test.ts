import { expect } from 'chai';
import { isoTimestamp } from '#src/sql/type-codecs.js';

describe('timestamps as text', () => {
  const given: readonly (readonly [server: string, iso: string])[] = [
    ['2026-11-21 18:33:01.123456+00', '2026-11-21T18:33:01.123456Z'],
    ['2026-11-21 18:33:01+00', '2026-11-21T18:33:01Z'],
    ['2026-11-21 18:33:01.5', '2026-11-21T18:33:01.5'],
    ['0001-01-01 00:00:00', '0001-01-01T00:00:00'],
    ['294276-12-31 23:59:59.999999+00', '294276-12-31T23:59:59.999999Z'],
    ['2026-11-21 18:33:01+01', '2026-11-21T18:33:01+01:00'],
    ['2026-11-21 18:33:01-03:30', '2026-11-21T18:33:01-03:30'],
    // What ISO 8601 cannot say (an offset of the time before zones too), and what another DateStyle wrote, stays.
    ['1800-01-01 00:00:00+00:53:28', '1800-01-01 00:00:00+00:53:28'],
    ['infinity', 'infinity'],
    ['-infinity', '-infinity'],
    ['4713-01-01 00:00:00+00 BC', '4713-01-01 00:00:00+00 BC'],
    ['21/11/2026 18:33:01', '21/11/2026 18:33:01'],
    ['', ''],
  ];
  for (const [server, iso] of given) {
    it(`V-05 makes "${iso}" of "${server}"`, () => {
      expect(isoTimestamp(server)).to.equal(iso);
    });
  }
});
