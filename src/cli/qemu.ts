/**
 * Takes QEMU's one-dash spellings, for fingers that know them: what Romulus has too becomes its own option, what it always does is
 * accepted, the rest is refused with a hint. It works on the words before commander sees them, because to commander `-kernel` is
 * a cluster of one-letter options.
 *
 * Read before: `options.ts`. Read after: `main.ts`.
 */
import { ConfigError } from '../errors.js';
import { runRows } from './options.js';

/** QEMU options with a value that are spelled here with two dashes. */
const renamed = ['kernel', 'bios', 'initrd', 'append', 'debugcon', 'drive', 'device', 'serial'] as const;

/** QEMU options that ask for what Romulus does anyway, with the values that do so; undefined = takes no value. */
const implied: Readonly<Record<string, readonly string[] | undefined>> = {
  nographic: undefined,
  'no-reboot': undefined,
  display: ['none'],
  monitor: ['none'],
};

/** Devices of QEMU that every machine here has. */
const present = ['isa-debug-exit,iobase=0xf4', 'isa-debug-exit,iobase=0xf4,iosize=0x04'];

/** Why QEMU options that people will try are not here. */
const refused: readonly [options: readonly string[], hint: string][] = [
  [['hda', 'hdb', 'hdc', 'hdd', 'blockdev', 'cdrom', 'fda', 'boot'], 'disks are virtio ones: give --drive file=IMAGE'],
  [['net', 'netdev', 'nic'], 'there is no network card'],
  [['smp'], 'the machine has one processor'],
  [['cpu', 'machine', 'M'], 'there is one kind of machine: leave it out'],
  [['enable-kvm', 'accel', 'no-kvm'], 'no KVM is used: leave it out'],
  [['vga', 'sdl', 'curses', 'vnc'], 'there is no graphics card, the console is the terminal: leave it out'],
  [['gdb', 's', 'S'], 'there is no debugger stub: Ctrl-A s shows the registers'],
  [['dtb', 'acpitable', 'smbios'], 'the machine has no such table'],
];

const shortOptions = new Set(runRows.flatMap((row) => /^-(\w),/.exec(row.flags)?.[1] ?? []));
const optionsWithValue = new Set(
  runRows.filter((row) => row.flags.includes('<')).flatMap((row) => row.flags.replace(/ <.*/, '').split(', ')),
);

/**
 * Rewrites the arguments of `run`.
 *
 * @param words arguments after the command's name
 * @returns the same request in Romulus' own spelling
 * @throws ConfigError `UNKNOWN_OPTION`, `BAD_OPTION`
 */
export function translateQemu(words: readonly string[]): string[] {
  const result: string[] = [];
  const queue = [...words];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === '--') return [...result, word, ...queue];
    const name = /^-([A-Za-z][\w-]*)$/.exec(word)?.[1];
    if (name === undefined || isOwnShort(name)) {
      result.push(word);
      // The value of an option is taken as it stands, whatever it looks like.
      const value = optionsWithValue.has(word) ? queue.shift() : undefined;
      if (value !== undefined) result.push(value);
    } else if ((renamed as readonly string[]).includes(name)) {
      // QEMU's name for a file as a character device: `file:PATH`.
      const value = valueOf(word, queue);
      if (name === 'device' && present.includes(value)) continue;
      result.push(`--${name}=${name === 'debugcon' ? value.replace(/^file:/, '') : value}`);
    } else if (Object.hasOwn(implied, name)) {
      checkImplied(word, implied[name], queue);
    } else {
      throw refuse(word, name);
    }
  }
  return result;
}

/** One-letter options of our own, alone or with the value attached, as in `-m64M`. */
function isOwnShort(name: string): boolean {
  return name === 'h' || (shortOptions.has(name[0]) && (name.length === 1 || /^m\d/.test(name)));
}

function valueOf(word: string, queue: string[]): string {
  const value = queue.shift();
  if (value === undefined) throw new ConfigError('BAD_OPTION', `option '${word}' needs a value`);
  return value;
}

function checkImplied(word: string, values: readonly string[] | undefined, queue: string[]): void {
  if (values === undefined) return;
  const value = valueOf(word, queue);
  if (!values.includes(value))
    throw new ConfigError(
      'BAD_OPTION',
      `'${word} ${value}' is not supported; of '${word}' only '${values[0]}' is accepted`,
    );
}

function refuse(word: string, name: string): ConfigError {
  const hint = refused.find(([options]) => options.includes(name))?.[1];
  return new ConfigError(
    'UNKNOWN_OPTION',
    hint === undefined ? `unknown option '${word}'` : `QEMU's option '${word}' is not supported: ${hint}`,
  );
}
