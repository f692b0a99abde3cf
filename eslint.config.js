import { defineConfig } from 'eslint/config';
import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** What src/ gets from elsewhere, so that tests can hold it: time and chance from src/clock.ts. */
const CLOCK = 'Take it from the injected clock (src/clock.ts).';
const ENVIRONMENT = 'Only src/settings/ and src/hosts/cli/ may look at the environment.';

const timers = ['setTimeout', 'setInterval', 'setImmediate'];
const NODE_GLOBALS = [
  'process',
  'console',
  'Buffer',
  'URL',
  'URLSearchParams',
  'TextDecoder',
  'TextEncoder',
].concat(
  ['fetch', 'AbortController', 'AbortSignal', 'performance', 'queueMicrotask', 'structuredClone'],
  ['clearTimeout', 'clearInterval', 'clearImmediate'],
);
const clockGlobals = ['performance', ...timers].map((name) => ({ name, message: CLOCK }));
const clockProperties = [
  { object: 'Date', property: 'now', message: CLOCK },
  { object: 'Math', property: 'random', message: CLOCK },
  ...timers.map((property) => ({ object: 'globalThis', property, message: CLOCK })),
];
const clockModules = ['timers', 'timers/promises', 'perf_hooks'].flatMap((name) =>
  [name, `node:${name}`].map((path) => ({ name: path, message: CLOCK })),
);
const clockSyntax = [
  { selector: 'NewExpression[callee.name="Date"][arguments.length=0]', message: CLOCK },
  { selector: 'CallExpression[callee.name="Date"]', message: CLOCK },
];
const environmentProperties = [{ object: 'process', property: 'env', message: ENVIRONMENT }];
const environmentModules = ['process', 'node:process'].map((name) => ({
  name,
  importNames: ['env'],
  message: ENVIRONMENT,
}));

export default defineConfig(
  { ignores: ['dist/', '.build/', 'node_modules/', '**/node_modules/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    rules: {
      eqeqeq: 'error',
      'no-console': 'off',
      'no-implicit-coercion': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      // Protocol fields and texts of strangers are searched for control characters on purpose.
      'no-control-regex': 'off',
    },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    languageOptions: {
      globals: Object.fromEntries([...NODE_GLOBALS, ...timers].map((name) => [name, 'readonly'])),
    },
  },
  { files: ['**/*.cjs'], languageOptions: { globals: { module: 'writable', require: 'readonly' } } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': [
        'error',
        // `typeof import('…')` is the type of a module that is loaded when it is needed.
        { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: false },
      ],
      '@typescript-eslint/strict-boolean-expressions': [
        'error',
        // Objects and booleans only: whether a text or a number is "set" must be said (0 and '' are values).
        { allowString: false, allowNumber: false, allowNullableObject: true, allowNullableBoolean: true },
      ],
      // Numbers in messages are fine; objects, null and undefined are not.
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // `while (true)` is how a loop says that it ends from inside.
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      // `() => stream.end()` reads better than the same in braces.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // An `async` method without `await` keeps its contract: it gives a promise and never throws at once.
      '@typescript-eslint/require-await': 'off',
      // A leading underscore says that a parameter is there for its place only.
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-console': 'error',
      'no-restricted-globals': ['error', ...clockGlobals],
      'no-restricted-properties': ['error', ...clockProperties, ...environmentProperties],
      'no-restricted-imports': ['error', { paths: [...clockModules, ...environmentModules] }],
      'no-restricted-syntax': ['error', ...clockSyntax],
    },
  },
  {
    files: ['src/clock.ts'],
    rules: {
      'no-restricted-globals': 'off',
      'no-restricted-properties': ['error', ...environmentProperties],
      'no-restricted-imports': ['error', { paths: environmentModules }],
      'no-restricted-syntax': 'off',
    },
  },
  {
    files: ['src/settings/**/*.ts', 'src/hosts/cli/**/*.ts'],
    rules: {
      'no-restricted-properties': ['error', ...clockProperties],
      'no-restricted-imports': ['error', { paths: clockModules }],
    },
  },
  { files: ['src/hosts/cli/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['test/**/*.ts'],
    rules: {
      // chai asserts by property: `expect(x).to.be.true`.
      '@typescript-eslint/no-unused-expressions': 'off',
      // A test that knows its fixture may say so.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // mocha's `function () { this.timeout(…) }` and fakes without a body.
      '@typescript-eslint/no-empty-function': 'off',
    },
  },
);
