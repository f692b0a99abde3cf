import { expect } from 'chai';
import { serialize } from 'pg-protocol';
import { Exchange } from '#src/connection/protocol/exchange.js';
import { RequestReader } from '#src/connection/protocol/requests.js';
import {
  BIND_COMPLETE,
  CLOSE_COMPLETE,
  commandComplete,
  copyResponse,
  dataRow,
  errorResponse,
  int16,
  message,
  NO_DATA,
  notice,
  notification,
  PARSE_COMPLETE,
  READY,
  rowDescription,
} from '../../support/server-messages.js';

/** What one of both sides says: the client what it writes, the server messages. */
type Turn = { readonly asks: readonly Buffer[] } | { readonly says: readonly Buffer[] };

const asks = (...messages: readonly Buffer[]): Turn => ({ asks: messages });
const says = (...messages: readonly Buffer[]): Turn => ({ says: messages });

/** What is wrong with the first message that may not come; undefined when all may. */
function walk(turns: readonly Turn[]): string | undefined {
  const exchange = new Exchange();
  const requests = new RequestReader((request) => {
    exchange.ask(request);
  });
  for (const turn of turns) {
    if ('asks' in turn) for (const written of turn.asks) requests.note(written);
    else
      for (const said of turn.says) {
        const problem = exchange.admit(said[0]!, said, 5);
        if (problem !== undefined) return problem;
      }
  }
  return undefined;
}

const parse = (text: string): Buffer => serialize.parse({ text });
const STATEMENT = [
  parse('select 1'),
  serialize.bind(),
  serialize.describe({ type: 'P' }),
  serialize.execute({}),
  serialize.sync(),
];
const DESCRIBED = [PARSE_COMPLETE, BIND_COMPLETE, rowDescription('a')];
const ENDED = [commandComplete('SELECT 1'), READY];
const ROW = dataRow('1');
const ERROR = errorResponse('42601', 'x', 'ERROR');
const SYNC = serialize.sync();
const PAGE = serialize.execute({ rows: 2 });
const COPY = (text: string): Buffer[] => [parse(text), serialize.bind(), serialize.execute({})];

const ADMITTED: readonly (readonly [title: string, ...turns: readonly Turn[]])[] = [
  ['a statement', asks(...STATEMENT), says(...DESCRIBED, ROW, ROW, ...ENDED)],
  [
    'two statements that were asked at once',
    asks(...STATEMENT, ...STATEMENT),
    says(...DESCRIBED, ROW, ...ENDED, ...DESCRIBED, ...ENDED),
  ],
  [
    'an error in the first of them, which skips to its Sync',
    asks(...STATEMENT, ...STATEMENT),
    says(PARSE_COMPLETE, ERROR, READY, ...DESCRIBED, ROW, ...ENDED),
  ],
  ['an error at the Sync, where it commits', asks(...STATEMENT), says(...DESCRIBED, ENDED[0]!, ERROR, READY)],
  [
    'an error before the Sync was written: what is asked up to it is skipped',
    asks(...STATEMENT.slice(0, 3)),
    says(PARSE_COMPLETE, ERROR),
    asks(serialize.execute({}), SYNC, ...STATEMENT),
    says(READY, ...DESCRIBED, ...ENDED),
  ],
  ['an error that ends an idle session', says(errorResponse('57P01', 'x'))],
  [
    'what may come at any time',
    says(notice('x'), notification('a', 'b')),
    asks(SYNC),
    says(notice('x'), READY),
  ],
  ['a statement without rows', asks(...STATEMENT), says(PARSE_COMPLETE, BIND_COMPLETE, NO_DATA, ...ENDED)],
  [
    'an empty statement',
    asks(...STATEMENT),
    says(PARSE_COMPLETE, BIND_COMPLETE, NO_DATA, message('I'), READY),
  ],
  [
    'rows by pages',
    asks(...STATEMENT.slice(0, 3), PAGE),
    says(...DESCRIBED, ROW, ROW, message('s')),
    asks(PAGE),
    says(ROW, ENDED[0]!),
    asks(serialize.close({ type: 'P' }), SYNC),
    says(CLOSE_COMPLETE, READY),
  ],
  [
    'rows that nobody had described',
    asks(serialize.bind(), serialize.execute({}), SYNC),
    says(BIND_COMPLETE, dataRow('1', '2'), dataRow('3', '4'), ...ENDED),
  ],
  [
    'parameters and columns of a statement',
    asks(parse('x'), serialize.describe({ type: 'S' }), SYNC),
    says(PARSE_COMPLETE, message('t', int16(0)), rowDescription('a'), READY),
  ],
  [
    'several results of a simple query',
    asks(serialize.query('a; b; c')),
    says(
      rowDescription('a'),
      ROW,
      ENDED[0]!,
      message('I'),
      rowDescription('a', 'b'),
      dataRow('1', '2'),
      ...ENDED,
    ),
  ],
  ['an error in a simple query', asks(serialize.query('a')), says(rowDescription('a'), ROW, ERROR, READY)],
  [
    'a COPY to the client',
    asks(...COPY('copy t to stdout'), SYNC),
    says(PARSE_COMPLETE, BIND_COMPLETE, copyResponse('H'), message('d', 'x'), message('c'), ...ENDED),
  ],
  [
    'a COPY from the client, which ignores the Sync before its end',
    asks(...COPY('copy t from stdin'), SYNC),
    says(PARSE_COMPLETE, BIND_COMPLETE, copyResponse('G')),
    asks(serialize.copyData(Buffer.from('x')), SYNC, serialize.copyDone(), SYNC),
    says(...ENDED),
  ],
  [
    'a COPY that the client gives up',
    asks(serialize.query('copy t from stdin')),
    says(copyResponse('G')),
    asks(serialize.copyFail('x')),
    says(ERROR, READY),
  ],
];

const REFUSED: readonly (readonly [problem: RegExp, title: string, ...turns: readonly Turn[]])[] = [
  [/answers nothing/, 'readiness unasked', says(READY)],
  [/answers nothing/, 'readiness twice', asks(SYNC), says(READY, READY)],
  [/answers nothing/, 'a row unasked', says(ROW)],
  [/answers nothing/, 'a result behind its end', asks(...STATEMENT), says(...DESCRIBED, ...ENDED, ENDED[0]!)],
  [/answer to a parse/, 'B-28 a result before ours', asks(...STATEMENT), says(rowDescription('b'), ROW)],
  [
    /answer to a sync/,
    'B-28 a second result',
    asks(...STATEMENT),
    says(...DESCRIBED, ENDED[0]!, rowDescription('a')),
  ],
  [
    /answer to a sync/,
    'a row behind the end of its result',
    asks(...STATEMENT),
    says(...DESCRIBED, ENDED[0]!, ROW),
  ],
  [
    /answer to a execute/,
    'readiness before the end of the result',
    asks(...STATEMENT),
    says(...DESCRIBED, READY),
  ],
  [/does not fit/, 'a row of more columns', asks(...STATEMENT), says(...DESCRIBED, dataRow('1', '2'))],
  [/does not fit/, 'a row of no columns', asks(...STATEMENT), says(...DESCRIBED, dataRow())],
  [
    /does not fit/,
    'a row of a statement without',
    asks(...STATEMENT),
    says(PARSE_COMPLETE, BIND_COMPLETE, NO_DATA, dataRow()),
  ],
  [/does not fit/, 'a row of a simple query that nobody described', asks(serialize.query('a')), says(ROW)],
  [
    /more rows/,
    'more rows than a page has',
    asks(...STATEMENT.slice(0, 3), PAGE),
    says(...DESCRIBED, ROW, ROW, ROW),
  ],
  [
    /"s" in answer/,
    'a pause where all rows were asked for',
    asks(...STATEMENT),
    says(...DESCRIBED, ROW, message('s')),
  ],
  [
    /"t" in answer/,
    'parameters of a portal',
    asks(...STATEMENT),
    says(PARSE_COMPLETE, BIND_COMPLETE, message('t', int16(0))),
  ],
  [/"Z" in answer/, 'no result at all', asks(serialize.query('a')), says(READY)],
  [
    /"G" in answer/,
    'B-27 a COPY that nobody asked for',
    asks(...STATEMENT),
    says(...DESCRIBED, copyResponse('G')),
  ],
  [
    /"d" in answer/,
    'B-27 data of a COPY outside of one',
    asks(...COPY('copy x'), SYNC),
    says(PARSE_COMPLETE, BIND_COMPLETE, message('d')),
  ],
  [
    /"C" in answer/,
    'B-27 the end of a COPY from us that we have not ended',
    asks(...COPY('copy x'), SYNC),
    says(PARSE_COMPLETE, BIND_COMPLETE, copyResponse('G'), ENDED[0]!),
  ],
  [
    /answer to a sync/,
    'anything but readiness after an error',
    asks(...STATEMENT),
    says(ERROR, PARSE_COMPLETE),
  ],
];

describe('the order of answers', () => {
  for (const [title, ...turns] of ADMITTED) {
    it(`admits ${title}`, () => {
      expect(walk(turns)).to.equal(undefined);
    });
  }

  for (const [problem, title, ...turns] of REFUSED) {
    it(`refuses ${title}`, () => {
      expect(walk(turns)).to.match(problem);
    });
  }

  it('is followed over any number of statements', () => {
    const many = Array.from({ length: 5_000 }, () => [asks(...STATEMENT), says(...DESCRIBED, ROW)]).flat();
    expect(walk([asks(...STATEMENT, ...STATEMENT)].concat([says(...DESCRIBED, ROW, ...ENDED)]))).to.equal(
      undefined,
    );
    // Always one behind, so that there is always an open question.
    const turns = [
      asks(...STATEMENT),
      ...many.flatMap((turn) => ('asks' in turn ? [turn] : [turn, says(...ENDED)])),
    ];
    expect(walk([...turns, says(...DESCRIBED, ...ENDED)])).to.equal(undefined);
    expect(walk([...turns, says(...DESCRIBED, ...ENDED, READY)])).to.match(/answers nothing/);
  });
});
