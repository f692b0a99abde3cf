import { expect } from 'chai';
import * as surface from '#src/index.js';

describe('the public surface', () => {
  it('has exactly these names at run time', () => {
    expect(Object.keys(surface).sort()).to.deep.equal([
      'ConnectorError',
      'Secret',
      'VERBOSITIES',
      'createConnector',
      'createRoleSql',
      'exitCodeOf',
      'explainSettings',
      'formatConnectionString',
      'isConnectorError',
      'loadKeyStore',
      'manifest',
      'messageOf',
      'parseConnectionString',
      'poolOptions',
      'renderManifest',
      'resolveSettings',
      'systemClock',
      'testConnection',
      'tokenPassword',
    ]);
  });

  it('has no default: every import says what it takes', () => {
    expect(surface).not.to.have.property('default');
  });
});
