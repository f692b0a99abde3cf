import { expect } from 'chai';
import { messageOf } from '#src/message.js';

describe('message', () => {
  it('has the rows as payload and the facts about them as attributes', () => {
    const rows = [{ id: '1' }];
    const fields = [{ name: 'id', typeOid: 20 }];
    expect(messageOf({ rows, fields, affectedRows: 1 })).to.deep.equal({
      payload: rows,
      attributes: { affectedRows: 1, fields },
    });
  });

  it('has an empty payload where nothing came back', () => {
    expect(messageOf({ rows: [], fields: [], affectedRows: 3 })).to.deep.equal({
      payload: [],
      attributes: { affectedRows: 3, fields: [] },
    });
  });
});
