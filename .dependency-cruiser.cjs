// The folder law of CONTRIBUTING.md, by machine. Each rule's comment is what a developer reads when it bites.

/** What each folder of src/ may import besides itself. */
const allowed = {
  abi: [],
  base: [],
  kernel: ['abi', 'base'],
  manifests: ['pods', 'base'],
  pods: ['kernel', 'base'],
  policy: ['manifests', 'pods', 'base'],
  'policy-tables': ['policy', 'redirect', 'pods', 'kernel', 'abi', 'base'],
  flow: ['pods', 'abi', 'base'],
  serve: ['flow', 'kernel', 'pods', 'api', 'abi', 'base'],
  api: ['policy', 'manifests', 'pods', 'base'],
  conformance: ['redirect', 'pods', 'kernel', 'abi', 'api', 'base'],
  torture: ['conformance', 'redirect', 'pods', 'kernel', 'base'],
  redirect: ['pods', 'kernel', 'abi', 'api', 'base'],
  mesh: ['manifests', 'pods', 'base'],
  lab: ['mesh', 'redirect', 'api', 'policy', 'pods', 'manifests', 'kernel', 'base'],
  bench: ['lab', 'manifests', 'kernel', 'base'],
  demo: ['lab', 'serve', 'flow', 'redirect', 'policy', 'api', 'manifests', 'kernel', 'base'],
  accelerate: ['redirect', 'pods', 'kernel', 'api', 'abi', 'base'],
  agent: ['accelerate', 'serve', 'flow', 'policy-tables', 'policy', 'manifests', 'redirect', 'api', 'pods', 'kernel', 'abi', 'base'],
};

const direction = Object.entries(allowed).map(([folder, others]) => ({
  name: `direction-${folder}`,
  severity: 'error',
  comment: `src/${folder} may import ${others.length === 0 ? 'nothing of ours' : others.join(', ')}: dependencies run one way, cli → {agent, conformance} → lab → {redirect, mesh} → {manifests, pods, api} → kernel → {abi, base}, so that a part can be read and tested without the ones above it.`,
  from: { path: `^src/${folder}/`, pathNot: '\\.test\\.ts$' },
  to: { path: '^src/', pathNot: `^src/(${[folder, ...others].join('|')})/` },
}));

/** Folders of functions from values to values. */
const pureFolders = [
  'src/abi/',
  'src/manifests/',
  'src/mesh/authorization/',
  'src/mesh/envoy/',
  'src/pods/',
  'src/policy/',
  'src/redirect/iptables/',
];

/** The files in them that touch the world, each for a reason that its own comment gives. */
const impureFiles = [
  'src/manifests/load.ts',
  'src/mesh/envoy/writer.ts',
  'src/redirect/iptables/command.ts',
  'src/redirect/iptables/netns.ts',
];

/** @param {readonly string[]} paths */
const anyOf = (paths) => `^(${paths.join('|')})`;

module.exports = {
  forbidden: [
    ...direction,
    {
      name: 'known-folders',
      severity: 'error',
      comment: 'A new folder below src/ is a new idea: give it a line in .dependency-cruiser.cjs that says what it may import.',
      from: { path: '^src/', pathNot: `^src/(${[...Object.keys(allowed), 'cli'].join('|')})/` },
      to: {},
    },
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Two files that need each other are one idea, or hide a third one: split what both need into a file of its own.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'ffi-in-kernel-only',
      severity: 'error',
      comment:
        'src/kernel is the only place with a foreign function interface: a wrong call there ends the process, so there is one wall around it.',
      from: { path: '^src/', pathNot: '^src/kernel/' },
      to: { path: 'node_modules/koffi|^koffi' },
    },
    {
      name: 'commander-in-cli-only',
      severity: 'error',
      comment: 'Commands are data; only the frame in src/cli knows which parser reads the command line.',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { path: 'node_modules/commander|^commander' },
    },
    {
      name: 'pure-files',
      severity: 'error',
      comment:
        'This file is pure: a value in, a value out. It must not read files, open sockets or start processes, so that its tests need no machine. Let its caller do that; where that makes no sense, add the file to `impureFiles` in .dependency-cruiser.cjs.',
      from: { path: anyOf(pureFolders), pathNot: [anyOf(impureFiles), '\\.test\\.ts$', '/testdata/'] },
      to: { path: '^(node:)?(fs|fs/promises|net|dgram|child_process|http|https|http2|dns|dns/promises|tls|worker_threads)$' },
    },
    {
      name: 'tests-stay-out',
      severity: 'error',
      comment: 'The program must not import its tests or what only they need.',
      from: { path: '^src/', pathNot: '\\.test\\.ts$' },
      to: { path: '\\.test\\.ts$|^test/|node_modules/(vitest|fast-check)' },
    },
    {
      name: 'no-development-packages',
      severity: 'error',
      comment: 'src/ runs where only the packages under "dependencies" are installed.',
      from: { path: '^src/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'not-resolvable',
      severity: 'error',
      comment: 'The imported file or package does not exist, or is not in package.json.',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.mjs', '.js', '.cjs', '.json'],
    },
  },
};
