import { expect } from 'chai';
import { describeDifferences, differences } from '#samples/runner/compare.js';
import { renderCount, renderTable } from '#samples/runner/report.js';
import { readSamples } from '#samples/runner/sample.js';
import { manifest } from '#src/index.js';

describe('samples', () => {
  for (const { name, flows } of readSamples()) {
    describe(name, () => {
      const onTab = flows.filter((node) => 'z' in node && !['tab', 'group'].includes(node.type));

      it('has ids of 16 hexadecimal digits, each once', () => {
        const ids = flows.map(({ id }) => id);
        for (const id of ids) expect(id).to.match(/^[0-9a-f]{16}$/);
        expect(new Set(ids).size).to.equal(ids.length);
      });

      it('places every node, and wires only nodes that are there', () => {
        const ids = new Set(flows.map(({ id }) => id));
        for (const { x, y, wires } of onTab) {
          expect(x).to.be.a('number');
          expect(y).to.be.a('number');
          for (const target of (wires as string[][]).flat()) expect(ids.has(target), target).to.equal(true);
        }
      });

      it('holds no secret, and takes what differs between machines from variables', () => {
        const { properties } = manifest().connectionSpecification;
        const secrets = Object.entries(properties).filter(([, schema]) => schema['airbyte_secret'] === true);
        for (const node of flows) {
          expect(node).not.to.have.property('credentials');
          for (const [secret] of secrets) expect(node).not.to.have.property(secret);
        }
        for (const connection of flows.filter(({ type }) => type === 'pg-entra-connection')) {
          for (const property of ['Server', 'AzureTenant', 'OAuthClientId', 'User']) {
            expect(connection[property]).to.match(/^\$\{[A-Z_]+\}$/);
          }
        }
      });

      it('names operations and parameters that exist', () => {
        const { operations } = manifest();
        for (const node of flows.filter(({ type }) => type === 'pg-entra-operation')) {
          const operation = operations.find((each) => each.name === node['operation']);
          expect(operation, String(node['operation'])).not.to.equal(undefined);
          const known = Object.keys(operation?.inputSchema['properties'] as object);
          expect(known).to.include.members(Object.keys(node['input'] as object));
        }
      });
    });
  }
});

describe('comparison with expected.json', () => {
  it('finds nothing in equal values', () => {
    expect(differences({ a: [1, { b: null }] }, { a: [1, { b: null }] })).to.deep.equal([]);
  });

  it('names each place that differs, is missing or is too much', () => {
    const expected = [{ status: 200, answer: [{ n: '1' }, { n: '2' }] }];
    const actual = [{ status: 500, answer: [{ n: 1 }], 'x y': true }];
    expect(differences(expected, actual)).to.deep.equal([
      { path: '[0].status', expected: 200, actual: 500 },
      { path: '[0].answer[0].n', expected: '1', actual: 1 },
      { path: '[0].answer[1]', expected: { n: '2' }, actual: undefined },
      { path: '[0]["x y"]', expected: undefined, actual: true },
    ]);
  });

  it('tells a list from an object, and an absent value from null', () => {
    expect(differences([], {})).to.have.length(1);
    expect(differences({ a: null }, {})).to.deep.equal([{ path: '.a', expected: null, actual: undefined }]);
  });

  it('takes any number within bounds, and nothing else', () => {
    const expected = { requests: { atLeast: 4, atMost: 8 }, sessions: { atLeast: 4 } };
    expect(differences(expected, { requests: 4, sessions: 1_000 })).to.deep.equal([]);
    expect(differences(expected, { requests: 8, sessions: 4 })).to.deep.equal([]);
    for (const requests of [3, 9, NaN, '5', undefined]) {
      expect(differences(expected, { requests, sessions: 4 })).not.to.deep.equal([]);
    }
    expect(differences({ a: {} }, { a: 5 })).to.have.length(1);
    expect(differences({ a: { atLeast: 1, more: 2 } }, { a: 5 })).to.have.length(1);
  });

  it('is readable, also when there is a lot of it', () => {
    const found = differences(
      Array.from({ length: 12 }, (_, index) => index),
      [],
    );
    const text = describeDifferences(found);
    expect(text).to.contain('  at [0]\n    expected 0\n    but got  nothing');
    expect(text).to.match(/and 2 more differences$/);
  });

  it('counts a difference as not passed', () => {
    const result = { credential: 'secret', rows: 1, ms: 12, tokenRequests: 1 };
    const results = [
      { name: '01', ...result },
      { name: '02', ...result, difference: '  at .a' },
    ];
    expect(renderCount(results)).to.equal('1 of 2 samples passed');
    expect(
      renderTable(results)
        .split('\n')
        .map((line) => line.split(/ {3,}/).at(-1)),
    ).to.deep.equal(['outcome', 'as expected', 'DIFFERENT']);
  });
});
