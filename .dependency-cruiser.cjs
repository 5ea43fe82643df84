// The layer rule of docs/how-it-works.md: an import may only point down this list.
const layers = [
  ['x86'],
  ['memory'],
  ['vcpu'],
  ['interp', 'translator', 'irq', 'time', 'devices'],
  ['rom', 'boot', 'profile'],
  ['machine'],
  ['compare', 'linux'],
  ['cli', 'console'],
];

const pattern = (folders) => `^src/(${folders.join('|')})/`;

const upward = layers.slice(0, -1).map((folders, level) => ({
  name: `${folders[0]}-points-down`,
  comment: `src/${folders.join(', src/')} may not import from a layer above`,
  severity: 'error',
  from: { path: pattern(folders) },
  // the state block's layout is a plain list of word numbers that imports nothing: the MMU reads the control registers by it
  to: { path: pattern(layers.slice(level + 1).flat()), pathNot: '^src/vcpu/layout\\.ts$' },
}));

module.exports = {
  forbidden: [
    ...upward,
    {
      name: 'devices-are-alone',
      comment: 'a device sees a memory view, the clock and a trigger, never the CPU',
      severity: 'error',
      from: { path: '^src/devices/' },
      to: { path: '^src/(interp|translator|vcpu|x86)/' },
    },
    {
      name: 'one-door-to-native',
      comment: 'only these folders may load the addon, and only through src/native.ts',
      severity: 'error',
      from: { path: '^src/(x86|vcpu|interp|devices|rom|boot|cli)/' },
      to: { path: '^src/native\\.ts$' },
    },
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
  },
};
