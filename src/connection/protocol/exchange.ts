import { fieldCount, TYPE } from './message-shape.js';
import type { Request } from './requests.js';

/** Number of columns of what gives no rows at all. */
const NO_ROWS = -1;
/** Answered requests are dropped in lots of so many. */
const LOT = 1_024;

const SYNC: Request = { kind: 'sync' };

/**
 * What was asked of the server, and what of it is answered (PostgreSQL documentation, sections 54.2.2
 * to 54.2.6). Answers come in the order of the questions; after an error the server skips what stands
 * before the next Sync.
 */
export class Exchange {
  #open: Request[] = [];
  #firstOpen = 0;
  /** Of the result that is being read: its columns as described or, without that, as its first row has them. */
  #columns: number | undefined;
  #rows = 0;
  /** Whether the simple query in front has had a result. */
  #hasResult = false;
  #copying: 'in' | 'out' | undefined;
  #isSkipping = false;

  /** Whether the server owes an answer, or will once it has got the Sync behind an error. */
  get isBusy(): boolean {
    return this.#isSkipping || this.#first() !== undefined;
  }

  /** How many ReadyForQuery messages are to come. */
  get readinessToCome(): number {
    return this.#open.slice(this.#firstOpen).filter(({ kind }) => kind === 'sync' || kind === 'query').length;
  }

  /** Takes note of `request`, which is being written. */
  ask(request: Request): void {
    if (request.kind === 'copy-end') {
      if (this.#copying === 'in') this.#copying = undefined;
      return;
    }
    if (request.kind === 'sync') {
      // While rows of a COPY are on their way to it, the server takes no notice of a Sync.
      if (this.#copying === 'in') return;
      this.#isSkipping = false;
    }
    if (!this.#isSkipping) this.#open.push(request);
  }

  /**
   * Whether a well-formed message of `type` may come now; its body stands in `bytes` from `start` on.
   * Gives what is wrong, or undefined.
   */
  admit(type: number, bytes: Buffer, start: number): string | undefined {
    switch (type) {
      case TYPE.dataRow:
        return this.#admitRow(fieldCount(bytes, start));
      case TYPE.notice:
      case TYPE.notification:
      case TYPE.parameterStatus:
        return undefined;
      case TYPE.error:
        this.#fail();
        return undefined;
    }
    const request = this.#first();
    if (!request) return `${name(type)} that answers nothing`;
    const isAnswer =
      this.#copying === undefined ? this.#answers(request, type, bytes, start) : this.#answersCopy(type);
    return isAnswer ? undefined : `${name(type)} in answer to a ${request.kind}`;
  }

  #admitRow(values: number): string | undefined {
    const request = this.#first();
    if (!request) return 'a row that answers nothing';
    if ((request.kind !== 'execute' && request.kind !== 'query') || this.#copying !== undefined)
      return `a row in answer to a ${request.kind}`;
    if (this.#columns !== values) {
      const isFirst = this.#columns === undefined && request.kind === 'execute';
      if (!isFirst) return 'a row that does not fit the columns of its result';
      this.#columns = values;
    }
    this.#rows += 1;
    const isOne = request.kind === 'query' || request.mostRows === 0 || this.#rows <= request.mostRows;
    return isOne ? undefined : 'more rows than were asked for';
  }

  /** Whether `type` answers `request`, the first that is open; if so takes it in. */
  #answers(request: Request, type: number, bytes: Buffer, start: number): boolean {
    switch (request.kind) {
      case 'parse':
        return type === TYPE.parseComplete && this.#close();
      case 'bind':
        this.#columns = undefined;
        return type === TYPE.bindComplete && this.#close();
      case 'close':
        return type === TYPE.closeComplete && this.#close();
      case 'sync':
        return type === TYPE.readyForQuery && this.#close();
      case 'describe':
        if (type === TYPE.parameterDescription) return request.ofStatement;
        return this.#describes(type, bytes, start) && this.#close();
      case 'execute':
        if (type === TYPE.portalSuspended) return request.mostRows > 0 && this.#close();
        if (endsResult(type)) return this.#close();
        return request.mayCopy && this.#startsCopy(type);
      case 'query':
        if (type === TYPE.readyForQuery) return this.#hasResult && this.#close();
        if (endsResult(type)) return this.#endResult();
        if (type === TYPE.rowDescription) return this.#describes(type, bytes, start);
        return request.mayCopy && this.#startsCopy(type);
      default:
        return false;
    }
  }

  #answersCopy(type: number): boolean {
    if (this.#copying !== 'out') return false;
    if (type === TYPE.copyDone) this.#copying = undefined;
    return type === TYPE.copyDone || type === TYPE.copyData;
  }

  #describes(type: number, bytes: Buffer, start: number): boolean {
    if (type === TYPE.rowDescription) this.#columns = fieldCount(bytes, start);
    else if (type === TYPE.noData) this.#columns = NO_ROWS;
    else return false;
    return true;
  }

  #startsCopy(type: number): boolean {
    if (type !== TYPE.copyIn && type !== TYPE.copyOut) return false;
    this.#copying = type === TYPE.copyIn ? 'in' : 'out';
    // A Sync that was sent along is read, and ignored, as part of what is copied.
    if (type === TYPE.copyIn) {
      this.#open = this.#open.slice(this.#firstOpen).filter(({ kind }) => kind !== 'sync');
      this.#firstOpen = 0;
    }
    return true;
  }

  #endResult(): boolean {
    this.#columns = undefined;
    this.#rows = 0;
    this.#hasResult = true;
    return true;
  }

  #fail(): void {
    this.#copying = undefined;
    const request = this.#first();
    if (!request) return; // A server may say why it ends a session that asks nothing.
    if (request.kind === 'query') {
      this.#open[this.#firstOpen] = SYNC;
      return;
    }
    while (this.#first() && this.#first()?.kind !== 'sync') this.#close();
    this.#isSkipping = this.#first() === undefined;
  }

  #first(): Request | undefined {
    return this.#open[this.#firstOpen];
  }

  /** The first open request is answered. */
  #close(): true {
    this.#rows = 0;
    this.#hasResult = false;
    this.#firstOpen += 1;
    if (this.#firstOpen === this.#open.length || this.#firstOpen >= LOT) {
      this.#open.splice(0, this.#firstOpen);
      this.#firstOpen = 0;
    }
    return true;
  }
}

function endsResult(type: number): boolean {
  return type === TYPE.commandComplete || type === TYPE.emptyQuery;
}

function name(type: number): string {
  return `message ${JSON.stringify(String.fromCharCode(type))}`;
}
