import { expect } from 'chai';
import { FORMATS } from '#src/auth/key-store/formats.js';
import {
  findProperty,
  PROPERTIES,
  PROPERTY_GROUPS,
  propertyOf,
  takesReference,
  type Property,
  type PropertyCondition,
} from '#src/settings/properties.js';

const TABLE: readonly Property[] = PROPERTIES;
const fold = (name: string): string => name.replace(/[\s_-]/g, '').toLowerCase();

function expectCondition(condition: PropertyCondition): void {
  const deciding = findProperty(condition.property);
  expect(deciding?.name).to.equal(condition.property);
  expect(condition.in).not.to.be.empty;
  expect(deciding?.choices).to.include.members([...condition.in]);
}

describe('the table of properties', () => {
  for (const property of TABLE) {
    describe(property.name, () => {
      const { name, title, aliases = [], kind, choices, range, unit, group, help } = property;

      it('is found by its name, its title and its aliases, in any case', () => {
        for (const spelling of [name, title, ...aliases]) {
          expect(findProperty(spelling)).to.equal(property);
          expect(findProperty(spelling.toUpperCase())).to.equal(property);
        }
        expect(propertyOf(name)).to.equal(property);
      });

      it('has a title that is its name with blanks, and a help text of whole sentences', () => {
        expect(title.replaceAll(' ', '')).to.equal(name);
        expect(help).to.match(/^[A-Z].*\.$/s);
        expect(help).not.to.contain('\n');
        expect(help.trim()).to.equal(help);
      });

      it('has a group, and choices, a range and a unit only where its kind has them', () => {
        expect(PROPERTY_GROUPS).to.have.property(group);
        expect(choices !== undefined, 'choices').to.equal(kind === 'choice');
        expect(range !== undefined, 'range').to.equal(kind === 'integer');
        if (unit !== undefined) expect(kind).to.equal('integer');
        if (choices) expect(new Set(choices.map(fold)).size).to.equal(choices.length);
        if (range) expect(range[0]).to.be.lessThan(range[1]);
      });

      it('has at most one of a default, a derivation and a duty, and a default that it accepts itself', () => {
        const { default: value, derived, required, secret } = property;
        expect(
          [value, derived, required === true ? '' : undefined].filter((each) => each !== undefined).length,
        ).to.be.at.most(1);
        if (secret) expect(value, 'a secret has no default').to.equal(undefined);
        if (value === undefined) return;
        if (choices) expect(choices).to.include(value);
        if (kind === 'boolean') expect(value).to.be.oneOf(['true', 'false']);
        if (range) {
          expect(value).to.match(/^\d+$/);
          expect(Number(value)).to.be.within(range[0], range[1]);
        }
      });

      it('has conditions on existing choices, and is shown wherever it is required', () => {
        const { visibleWhen, required } = property;
        if (visibleWhen) expectCondition(visibleWhen);
        if (typeof required !== 'object') {
          if (required) expect(visibleWhen, 'what is always required is always shown').to.equal(undefined);
          return;
        }
        expectCondition(required);
        expect(visibleWhen?.property).to.equal(required.property);
        expect(visibleWhen?.in).to.include.members([...required.in]);
      });

      it('P-16 has no range of seconds beyond what a timer can wait', () => {
        if (unit === 'seconds') expect(range?.[1] ?? Infinity).to.be.at.most(2_147_483);
        else expect(unit).to.equal(undefined);
      });
    });
  }

  it('has no spelling that two properties share', () => {
    const owners = new Map<string, string>();
    for (const { name, title, aliases = [] } of TABLE) {
      for (const spelling of new Set([name, title, ...aliases].map(fold))) {
        expect(owners.get(spelling), spelling).to.equal(undefined);
        owners.set(spelling, name);
      }
    }
  });

  it('has properties for every group', () => {
    expect(new Set(TABLE.map(({ group }) => group))).to.deep.equal(new Set(Object.keys(PROPERTY_GROUPS)));
  });

  it('shows a secret or a certificate also for AzureAD, which takes either', () => {
    for (const name of ['OAuthClientSecret', 'OAuthJWTCert'] as const)
      expect(propertyOf(name).visibleWhen).to.deep.include({ property: 'AuthScheme' });
    const shown = TABLE.filter(({ visibleWhen }) => visibleWhen?.in.includes('AzureAD')).map(
      ({ name }) => name,
    );
    expect(shown).to.include.members(['OAuthClientSecret', 'OAuthJWTCert', 'OAuthJWTCertPassword']);
  });

  it('offers exactly the kinds of store that a key-store format reads, and AUTO', () => {
    const readable = FORMATS.flatMap(({ file, blob }) => [file, blob]);
    expect(propertyOf('OAuthJWTCertType').choices).to.have.members(['AUTO', ...readable]);
  });

  it('takes references for secrets and PEM only', () => {
    const names = TABLE.filter(takesReference).map(({ name }) => name);
    expect(names).to.have.members([
      'OAuthClientSecret',
      'OAuthJWTCert',
      'OAuthJWTCertPassword',
      'SSLCA',
      'TokenCA',
    ]);
  });

  it('keeps CData’s names of both groups of the mission', () => {
    const names = TABLE.map(({ name }) => name);
    expect(names).to.include.members([
      'InitiateOAuth',
      'AzureTenant',
      'OAuthGrantType',
      'OAuthClientId',
      'OAuthClientSecret',
      'OAuthJWTCert',
      'OAuthJWTCertType',
      'OAuthJWTCertPassword',
      'OAuthJWTCertSubject',
    ]);
  });
});
