// The import rule of the project. The order is written once, the rules are derived from it.

/** Modules of src/ from left to right; imports point left. A name is a file or a folder, neighbours share a place. */
const ORDER = [
  ['clock', 'server-text', 'tls-facts'],
  ['error-table', 'event-table', 'rotating-file'],
  ['errors', 'log-file'],
  ['diagnostics'],
  ['settings'],
  ['sql'],
  ['auth'],
  ['connection'],
  ['metadata'],
  ['operations'],
  ['sources'],
  ['message'],
  ['requirements', 'manifest', 'documents'],
  ['stage-walk', 'test-connection'],
  ['connector'],
  ['index'],
  ['hosts'],
];

/** Libraries and the only places that may import them, types included. */
const HOMES = [
  { libraries: ['pg', 'pg-[^/]+'], homes: ['connection/'] },
  { libraries: ['@azure/msal-node'], homes: ['auth/entra-client\\.ts'] },
  { libraries: ['undici', 'undici-types'], homes: ['auth/network\\.ts'] },
  { libraries: ['socks'], homes: ['auth/tunnel\\.ts'] },
  { libraries: ['ssh2', 'bcrypt-pbkdf'], homes: ['connection/transport/'] },
  { libraries: ['jose'], homes: ['auth/'] },
  { libraries: ['oauth4webapi'], homes: ['auth/openid-request\\.ts'] },
  // A bounded cache in the process: add the next place that needs one here.
  { libraries: ['node-cache'], homes: ['auth/token-store/', 'auth/discovery'] },
  { libraries: ['@peculiar/[^/]+', 'node-forge'], homes: ['auth/key-store/'] },
  { libraries: ['lru-cache'], homes: ['connection/', 'sql/'] },
  { libraries: ['commander'], homes: ['hosts/cli/'] },
];

// Sources, and the compiled twins that the `imports` of package.json lead to.
const SRC = '^(src|dist)/';
const SANDBOX = '^(\\.build/)?sandbox/';
const SAMPLES = '^(\\.build/)?samples/';
const TEST = '^(\\.build/)?test/';

const modules = (names) => `^src/(${names.join('|')})(\\.ts$|/)`;

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...ORDER.slice(0, -1).map((names, place) => ({
      name: `left-${names.join('-')}`,
      comment: `Imports point left: ${names.join(' and ')} may not know what stands to the right of it.`,
      severity: 'error',
      from: { path: modules(names) },
      to: { path: modules(ORDER.slice(place + 1).flat()) },
    })),
    {
      name: 'place-in-order',
      comment: 'A module directly below src/ needs a place in ORDER (.dependency-cruiser.cjs).',
      severity: 'error',
      from: {},
      to: { path: '^src/', pathNot: modules(ORDER.flat()) },
    },
    {
      name: 'no-cycle',
      comment: 'No cycles, not even of types.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'host-sees-index',
      comment: 'A host sees the public surface (src/index.ts) and its own folder.',
      severity: 'error',
      from: { path: '^src/hosts/([^/]+)' },
      to: { path: SRC, pathNot: ['^src/index\\.ts$', '^src/hosts/$1(/|$)'] },
    },
    ...HOMES.map(({ libraries, homes }) => ({
      name: `home-of-${libraries[0]}`,
      comment: `${libraries.join(', ')}: at home in ${homes.join(', ')} only.`,
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/(${homes.join('|')})` },
      to: { path: `(^|node_modules/)(@types/)?(${libraries.join('|')})(/|$)` },
    })),
    {
      name: 'src-stands-alone',
      comment: 'The product does not know its stand-in, samples, tests, measurements and scripts.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: [SANDBOX, SAMPLES, TEST, '^bench/', '^scripts/', '^dist/'] },
    },
    {
      name: 'sandbox-stands-alone',
      comment: 'The stand-in for the cloud must not share an error with the product.',
      severity: 'error',
      from: { path: '^sandbox/' },
      to: { path: [SRC, SAMPLES, TEST, '^bench/', '^scripts/'] },
    },
    {
      name: 'samples-use-the-package',
      comment: 'Samples run the connector as a user would, inside a host; they do not import its sources.',
      severity: 'error',
      from: { path: '^samples/' },
      to: { path: [SRC, TEST, '^bench/', '^scripts/'] },
    },
    {
      name: 'no-development-dependency',
      comment: 'src/ may import only what a user of the package gets. (Types of a library live in @types.)',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], pathNot: 'node_modules/@types/' },
    },
    {
      name: 'resolvable',
      comment: 'Every import must lead somewhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: ['node_modules', '^dist/', '^\\.build/'] },
    enhancedResolveOptions: {
      conditionNames: ['types', 'import', 'node', 'default'],
      exportsFields: ['exports'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json', '.d.ts'],
    },
  },
};
