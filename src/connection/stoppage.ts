import { aborted } from '../clock.js';

/** While something that was given up comes to its end. */
export class Stoppage {
  #end: Promise<boolean> | undefined;

  get isUnderWay(): boolean {
    return this.#end !== undefined;
  }

  /** `end` says whether the session has survived it. */
  begin(end: Promise<boolean>): void {
    this.#end = end;
    void this.#forget();
  }

  /** Adds work that begins when the rest is over, and survived. */
  then(work: () => Promise<boolean>): void {
    this.#end = this.#end?.then(async (survives) => survives && (await work()));
  }

  /** Resolves when it is over; rejects with the reason of `signal`. */
  async over(signal?: AbortSignal): Promise<void> {
    while (this.#end) await (signal ? Promise.race([this.#end, aborted(signal)]) : this.#end);
  }

  async #forget(): Promise<void> {
    for (let seen: Promise<boolean> | undefined; seen !== this.#end;) {
      seen = this.#end;
      await seen;
    }
    this.#end = undefined;
  }
}
