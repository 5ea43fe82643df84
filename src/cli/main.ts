/**
 * The command line: names the commands, reads their options, and turns every error into one line on stderr and an exit status.
 *
 * Commands load what they need when they are called, so that help and wrong usage answer at once. Read before: nothing. Read
 * after: `options.ts`, `run.ts`, `doctor.ts`, `rom.ts`.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { RomulusError } from '../errors.js';
import { addCompareOptions, COMPARE_EXAMPLES, type CompareOptions } from './compareOptions.js';
import { BUILD_LINUX_EXAMPLES, type BuildLinuxOptions } from './buildLinuxOptions.js';
import { addLinuxOptions, LINUX_EXAMPLES, toLinuxOptions } from './linuxOptions.js';
import { addRunOptions, toRunOptions } from './options.js';
import { translateQemu } from './qemu.js';
import { EXIT_STATUS_HELP, run } from './run.js';
import { TERMINAL_HELP } from './terminal.js';

/** Exit statuses of the program itself; those of a guest stand in `run.ts`. */
const STATUS_FAILED = 1;
const STATUS_USAGE = 2;
/** Ended by Ctrl-C before there was a guest, as shells tell it. */
const STATUS_INTERRUPTED = 130;

const RUN_EXAMPLES = `Examples:
  romulus run                                     boot Remus to its shell
  romulus run -m 64M --append "run=ps"            boot it with a command line
  romulus run --kernel vmlinuz --initrd root.cpio --append "console=ttyS0"
  romulus run --signal USR1=irq5                  then, elsewhere: kill -USR1 PID
  romulus run --no-rom --stats --timeout 30       bare hardware, counters, 30 seconds

Keys, where stdin is a terminal:
  ${TERMINAL_HELP.replaceAll('\n', '\n  ')}

QEMU's -kernel, -initrd, -append, -m, -nographic, -no-reboot, -debugcon and -serial stdio are
understood; -m without a suffix means MiB.

${EXIT_STATUS_HELP}`;

/** How far a call of the program has come. */
interface Progress {
  /** The usage was right: what fails from here on is the request itself. */
  isActing: boolean;
  status: number;
}

/**
 * Runs the program.
 *
 * @param words arguments after the program's name
 * @returns the exit status
 */
export async function main(words: readonly string[]): Promise<number> {
  const progress: Progress = { isActing: false, status: 0 };
  const program = describeProgram(progress);
  endQuietlyWithReader();
  try {
    const [command, ...rest] = words;
    if (command === undefined) {
      program.outputHelp({ error: true });
      return STATUS_USAGE;
    }
    checkFirstWord(command);
    await program.parseAsync(['run', 'linux'].includes(command) ? [command, ...translateQemu(rest)] : [...words], {
      from: 'user',
    });
    return progress.status;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    if (error instanceof RomulusError || error instanceof CommanderError) {
      process.stderr.write(`${toLine(error, words[0], progress.isActing)}\n`);
      if (error instanceof RomulusError && error.code === 'INTERRUPTED') return STATUS_INTERRUPTED;
      return progress.isActing ? STATUS_FAILED : STATUS_USAGE;
    }
    throw error;
  }
}

function describeProgram(progress: Progress): Command {
  const program = new Command('romulus')
    .description('Runs an i386 guest kernel as a plain Node process, with Node as its VMI ROM.')
    .version(readVersion())
    .configureHelp({ helpWidth: 100 })
    // Errors are printed once, in main().
    .configureOutput({ outputError: () => undefined })
    .exitOverride()
    .addHelpText(
      'after',
      '\nExamples:\n  romulus run          boot Remus, the packaged guest kernel\n  romulus linux        boot a Linux of Debian\n  romulus doctor       see what this host offers',
    );

  const runCommand = program
    .command('run')
    .description('boot a kernel with this terminal as its console')
    .addHelpText('after', `\n${RUN_EXAMPLES}`)
    .action(async (_options: object, command: Command) => {
      const options = toRunOptions(command);
      progress.isActing = true;
      progress.status = await run(options);
    });
  addRunOptions(runCommand);

  const linuxCommand = program
    .command('linux')
    .description("boot Debian's Linux to a shell, or run a command in it; fetches what it needs")
    .argument('[command...]', 'after --: program to run in the guest, with its arguments')
    .addHelpText('after', `\n${LINUX_EXAMPLES}`)
    .action(async (words: readonly string[], _options: object, command: Command) => {
      const options = toLinuxOptions(command);
      progress.isActing = true;
      const { linux } = await import('./linux.js');
      progress.status = await linux(options, words);
    });
  addLinuxOptions(linuxCommand);

  program
    .command('build-linux')
    .description('build a Linux 6.1 that speaks VMI, and print where it is')
    .option('--source <folder>', "source tree of Linux 6.1 (default: Debian's package)")
    .option('--jobs <number>', 'compilers at a time (default: one for each processor)')
    .option('--output <file>', 'copy the kernel there')
    .option('--mirror <url>', "archive of Debian to fetch the source from, instead of those of the host's apt")
    .option('--keyring <file>', "keys that the mirror's list of packages must be signed by (default: Debian's)")
    .option('--refresh', 'look for a newer source package')
    .addHelpText('after', `\n${BUILD_LINUX_EXAMPLES}`)
    .action(async (options: BuildLinuxOptions) => {
      progress.isActing = true;
      const { buildLinux } = await import('./buildLinux.js');
      await buildLinux(options);
    });

  program
    .command('doctor')
    .description('show what this host offers and what will run')
    .option('--json', 'print it as JSON')
    .addHelpText('after', '\nExamples:\n  romulus doctor\n  romulus doctor --json | jq .')
    .action(async ({ json = false }: { json?: boolean }) => {
      progress.isActing = true;
      const { doctor, formatDoctor } = await import('./doctor.js');
      const report = doctor();
      process.stdout.write(`${json ? JSON.stringify(report, null, 2) : formatDoctor(report)}\n`);
    });

  const compareCommand = program
    .command('compare')
    .description('measure the interrupt strategies against each other on this host')
    .addHelpText('after', `\n${COMPARE_EXAMPLES}`)
    .action(async (options: CompareOptions) => {
      progress.isActing = true;
      const { runCompare } = await import('./compare.js');
      await runCompare(options);
    });
  addCompareOptions(compareCommand);

  program
    .command('rom')
    .description('build the VMI ROM and print its header, entries and disassembly')
    .option('--output <file>', 'write the ROM image to a file instead')
    .addHelpText('after', '\nExamples:\n  romulus rom\n  romulus rom --output vmi.rom')
    .action(async ({ output }: { output?: string }) => {
      progress.isActing = true;
      const { rom } = await import('./rom.js');
      rom(output);
    });

  program
    .command('disasm')
    .description('print the instructions of a kernel, a firmware image or any flat code')
    .argument('<file>', 'ELF, multiboot image, bzImage, or flat code')
    .option('--base <address>', 'read the file as flat code that lies there')
    .option('--16', 'as 16-bit code')
    .option('--start <address>', 'first address to print')
    .option('--end <address>', 'first address not to print')
    .addHelpText(
      'after',
      '\nExamples:\n  romulus disasm vmlinux --start 0xc0100000 | less\n  romulus disasm boot.bin --base 0x7c00 --16',
    )
    .action(async (path: string, given: Record<'base' | 'start' | 'end', string | undefined> & { 16?: boolean }) => {
      const { disasm, parseAddress } = await import('./disasm.js');
      const address = (text: string | undefined): number | undefined =>
        text === undefined ? undefined : parseAddress(text);
      const [base, start, end] = [given.base, given.start, given.end].map(address);
      progress.isActing = true;
      const { stdout } = process;
      disasm(
        path,
        {
          ...(base !== undefined && { base }),
          ...(start !== undefined && { start }),
          ...(end !== undefined && { end }),
          is16Bit: given[16] === true,
        },
        (text) => {
          stdout.write(text);
          return stdout.writable;
        },
      );
    });
  return program;
}

/**
 * A reader that has seen enough, such as head, is no error. While a guest runs, its front end listens as well, and ends the machine.
 */
function endQuietlyWithReader(): void {
  const { stdout, stderr } = process;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || stdout.listenerCount('error') > 1) return;
    stderr.write(`romulus: cannot write to standard output: ${error.message}\n`);
    process.exitCode = STATUS_FAILED;
  });
  // There is nowhere to say it.
  stderr.on('error', () => undefined);
}

/** QEMU's habit is a program without commands; here options follow one. */
function checkFirstWord(word: string): void {
  if (!word.startsWith('-') || ['-h', '--help', '-V', '--version'].includes(word)) return;
  throw new CommanderError(
    STATUS_USAGE,
    'romulus.noCommand',
    `'${word}' needs a command before it, as in 'romulus run ${word}'`,
  );
}

/** One line for the user: what is wrong, and for wrong usage where the right one stands. */
function toLine(error: Error, command: string | undefined, isActing: boolean): string {
  const text = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
  if (isActing) return `romulus: ${text}`;
  const named =
    command !== undefined &&
    /^\w/.test(command) &&
    ['run', 'linux', 'build-linux', 'doctor', 'rom', 'compare', 'disasm'].includes(command);
  return `romulus: ${text}; see 'romulus ${named ? `${command} ` : ''}--help'`;
}

function readVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
