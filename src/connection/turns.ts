/** Lets one after the other, in the order of coming. */
export class Turns {
  #isTaken = false;
  readonly #waiting = new Set<() => void>();

  /**
   * The next turn; the caller gives it back by what it returns, any number of times. `within` bounds
   * the wait: when it rejects, the place in the line is given up.
   */
  async take(within: (turn: Promise<void>) => Promise<void>): Promise<() => void> {
    if (this.#isTaken) await this.#wait(within);
    this.#isTaken = true;
    let isOver = false;
    return () => {
      if (!isOver) this.#pass();
      isOver = true;
    };
  }

  async #wait(within: (turn: Promise<void>) => Promise<void>): Promise<void> {
    const place = { isMine: false };
    let begin: () => void = () => undefined;
    const turn = new Promise<void>((resolve) => {
      begin = (): void => {
        place.isMine = true;
        resolve();
      };
    });
    this.#waiting.add(begin);
    try {
      await within(turn);
    } catch (error) {
      // It may have come in the very moment in which the wait was given up.
      if (place.isMine) this.#pass();
      this.#waiting.delete(begin);
      throw error;
    }
  }

  #pass(): void {
    const [next] = this.#waiting;
    if (!next) {
      this.#isTaken = false;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
