/**
 * Kernel modules: what each needs and which devices it is for, read from the module files themselves, and the tables that modprobe reads.
 *
 * A package of Debian's kernel has no such tables (depmod makes them when it is installed). Separate because it knows ELF and depmod's
 * formats and nothing of packages. Read after: `kernelPackage.ts`.
 */
import { HostError } from '../errors.js';

export interface KernelModule {
  /** Path below `lib/modules/VERSION`. */
  readonly path: string;
  /** Name as the kernel has it, with underscores. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Names of modules that must be loaded before. */
  readonly depends: readonly string[];
  /** Patterns of devices and names that ask for this module. */
  readonly aliases: readonly string[];
}

/** ELF32 header and section header fields. (System V ABI, "Object Files") */
const SHOFF = 0x20;
const SHENTSIZE = 0x2e;
const SHNUM = 0x30;
const SHSTRNDX = 0x32;
const SH_OFFSET = 0x10;
const SH_SIZE = 0x14;

export const moduleName = (path: string): string => path.replace(/^.*\//, '').replace(/\.ko$/, '').replaceAll('-', '_');

/**
 * @param path path below `lib/modules/VERSION`
 * @throws HostError `MODULE_DAMAGED`
 */
export function readModule(path: string, bytes: Uint8Array): KernelModule {
  const info = modinfo(path, bytes);
  const all = (key: string): string[] =>
    info.filter((each) => each.startsWith(`${key}=`)).map((each) => each.slice(key.length + 1));
  const names = (list: readonly string[]): string[] =>
    list.flatMap((text) => text.split(/[\s,]+/)).filter((name) => name !== '');
  // "pre: a b post: c": the first list is loaded before. (modprobe.d(5), softdep)
  const soft = all('softdep').map((text) => /pre:\s*([^:]*?)(?:\s*post:|$)/.exec(text)?.[1] ?? '');
  return {
    path,
    name: moduleName(path),
    bytes,
    depends: names([...all('depends'), ...soft]).map((name) => name.replaceAll('-', '_')),
    aliases: all('alias'),
  };
}

/** The strings of the section `.modinfo`. */
function modinfo(path: string, bytes: Uint8Array): string[] {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const header = (index: number): number => file.readUInt32LE(SHOFF) + index * file.readUInt16LE(SHENTSIZE);
    const contents = (index: number): Buffer => {
      const offset = file.readUInt32LE(header(index) + SH_OFFSET);
      return file.subarray(offset, offset + file.readUInt32LE(header(index) + SH_SIZE));
    };
    const names = contents(file.readUInt16LE(SHSTRNDX));
    for (let index = 0; index < file.readUInt16LE(SHNUM); index++) {
      const start = file.readUInt32LE(header(index));
      if (names.toString('latin1', start, names.indexOf(0, start)) === '.modinfo')
        return contents(index)
          .toString('latin1')
          .split('\0')
          .filter((text) => text !== '');
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new HostError('MODULE_DAMAGED', `'${path}' is no kernel module; fetch the package again with --refresh`);
}

/**
 * Modules and all that they need, each behind what it needs.
 *
 * @param wanted names; those that the kernel has not are left out, because it may have them built in
 */
export function selectModules(all: readonly KernelModule[], wanted: readonly string[]): KernelModule[] {
  const byName = new Map(all.map((module) => [module.name, module]));
  const chosen = new Set<KernelModule>();
  const choose = (name: string, path: readonly string[]): void => {
    const module = byName.get(name) ?? all.find(({ aliases }) => aliases.includes(name));
    if (module === undefined || chosen.has(module) || path.includes(module.name)) return;
    for (const needed of module.depends) choose(needed, [...path, module.name]);
    chosen.add(module);
  };
  for (const name of wanted) choose(name.replaceAll('-', '_'), []);
  return [...chosen];
}

/** `modules.dep`: each module with all it needs, the one to load first last. (modules.dep(5)) */
export function dependencyTable(modules: readonly KernelModule[]): string {
  return modules
    .map((module) => {
      const needed = selectModules(modules, [module.name]).filter((each) => each !== module);
      return `${module.path}:${needed
        .reverse()
        .map(({ path }) => ` ${path}`)
        .join('')}\n`;
    })
    .join('');
}

/** `modules.alias`: pattern and module. (modules.dep(5)) */
export function aliasTable(modules: readonly KernelModule[]): string {
  return modules.flatMap(({ name, aliases }) => aliases.map((alias) => `alias ${alias} ${name}\n`)).join('');
}
