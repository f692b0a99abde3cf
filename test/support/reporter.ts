import Mocha from 'mocha';

const { Base } = Mocha.reporters;
const {
  EVENT_SUITE_BEGIN,
  EVENT_SUITE_END,
  EVENT_TEST_PASS,
  EVENT_TEST_FAIL,
  EVENT_TEST_PENDING,
  EVENT_RUN_END,
} = Mocha.Runner.constants;

// Stacks name lines of the .ts files. The reporter is loaded before any test.
process.setSourceMapsEnabled(true);

const SLOWEST = 5;
/** How long the process may go on after the last test before what keeps it alive is named. */
const GRACE_MS = 10_000;

const isCi = /^(1|true)$/i.test(process.env['CI'] ?? '');

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** "3 passed, 0 failed", then ", 1 skipped" where that is so. */
function words({ passed, failed, skipped }: Counts): string {
  const start = `${String(passed)} passed, ${String(failed)} failed`;
  return skipped > 0 ? `${start}, ${String(skipped)} skipped` : start;
}

/**
 * One line for each outermost suite, then the failures with their differences, the skips (whose
 * titles say what they need), the slowest tests, and as the last line of stdout "N passed, N failed[, N skipped]".
 */
export default class Reporter extends Base {
  readonly #total: Counts = { passed: 0, failed: 0, skipped: 0 };
  readonly #passes: Mocha.Test[] = [];
  readonly #skips: Mocha.Test[] = [];
  #suite = { ...this.#total, ms: 0 };
  #ended = false;
  /** Suites that the present test lies in, the root not counted. */
  #depth = 0;

  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options);
    runner
      .on(EVENT_SUITE_BEGIN, (suite) => {
        if (suite.root) return;
        if (this.#depth === 0) this.#suite = { passed: 0, failed: 0, skipped: 0, ms: 0 };
        this.#depth += 1;
      })
      .on(EVENT_SUITE_END, (suite) => {
        if (suite.root) return;
        this.#depth -= 1;
        if (this.#depth === 0) this.#printSuite(suite);
      })
      .on(EVENT_TEST_PASS, (test) => {
        this.#count('passed');
        this.#suite.ms += test.duration ?? 0;
        this.#passes.push(test);
      })
      .on(EVENT_TEST_FAIL, (test) => {
        this.#count('failed');
        console.log(`  ✗ ${test.fullTitle()}`);
      })
      .on(EVENT_TEST_PENDING, (test) => {
        this.#count('skipped');
        this.#skips.push(test);
      })
      .once(EVENT_RUN_END, () => {
        this.#ended = true;
        this.#printDetails();
        watchForLeaks();
      });
    // On exit, so that whatever else is printed comes before it.
    process.on('exit', () => {
      this.#printLastLine();
    });
  }

  /** Decides the exit code: where `CI` is set a skip counts as a failure. */
  override done(failures: number, finish?: (failures: number) => void): void {
    finish?.(isCi ? failures + this.#total.skipped : failures);
  }

  #count(outcome: keyof Counts): void {
    this.#total[outcome] += 1;
    this.#suite[outcome] += 1;
  }

  #printSuite(suite: Mocha.Suite): void {
    const mark = this.#suite.failed > 0 ? '✗' : '✓';
    const counts =
      this.#suite.failed + this.#suite.skipped > 0 ? words(this.#suite) : String(this.#suite.passed);
    console.log(`${mark} ${suite.title}  ${counts} (${String(this.#suite.ms)} ms)`);
  }

  #printDetails(): void {
    if (this.failures.length > 0) Base.list(this.failures);
    if (this.#skips.length > 0) {
      console.log(isCi ? '\nskipped, which is a failure here (CI is set):' : '\nskipped:');
      for (const test of this.#skips) console.log(`  - ${test.fullTitle()}`);
    }
    const slowest = this.#passes.toSorted((a, b) => (b.duration ?? 0) - (a.duration ?? 0)).slice(0, SLOWEST);
    if (slowest.length > 0) console.log('\nslowest:');
    for (const test of slowest)
      console.log(`  ${String(test.duration ?? 0).padStart(6)} ms  ${test.fullTitle()}`);
    const run = this.#passes.length + this.#skips.length + this.failures.filter(isTest).length;
    const missed = this.runner.total - run;
    if (missed > 0) console.log(`\n${String(missed)} tests did not run, for a failure before them`);
    console.log();
  }

  #printLastLine(): void {
    if (!this.#ended) {
      console.log('\nthe process ended in the middle of the tests');
      process.exitCode ||= 1;
    }
    console.log(words(this.#total));
  }
}

/** A failure may also be one of a hook. */
function isTest(runnable: Mocha.Test): boolean {
  return (runnable as { type?: string }).type === 'test';
}

/** The process has to end by itself; what does not let it end has not been closed. */
function watchForLeaks(): void {
  setTimeout(() => {
    const counts = new Map<string, number>();
    for (const name of process.getActiveResourcesInfo()) counts.set(name, (counts.get(name) ?? 0) + 1);
    const list = [...counts].map(([name, count]) => `${name} ×${String(count)}`).join(', ');
    console.error(
      `the tests ended ${String(GRACE_MS / 1000)} s ago, but the process is kept alive by: ${list}`,
    );
    // Mocha sets the exit code while the process exits; this comes after it.
    process.on('exit', () => {
      process.exitCode = 1;
    });
    process.exit(1);
  }, GRACE_MS).unref();
}
