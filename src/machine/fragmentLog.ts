/**
 * What the translator makes, for people: /tmp/perf-PID.map, by which Linux `perf` names the fragments (tools/perf/Documentation/
 * jit-interface.txt), and a listing of each fragment as it is made, the guest's instructions beside the host's.
 *
 * The host's side is disassembled where the package iced-x86 is installed; without it the host bytes of each guest instruction are
 * printed. Used on the vCPU thread. Read before: `../translator/engine.ts`. Read after: `worker.ts`.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { RomulusError } from '../errors.js';
import { openOutput, unwritable } from '../outputFile.js';
import { readSymbols, type Symbols } from '../profile/symbols.js';
import type { Instruction } from 'iced-x86';
import type { MadeFragment } from '../translator/engine.js';
import { sideOf } from '../translator/fragment.js';
import { decode } from '../x86/decode.js';
import { format } from '../x86/format.js';
import { GuestFault } from '../x86/vectors.js';
import type { NamedFile } from './messages.js';

/** One host instruction: its length, and its text. */
interface HostInstruction {
  readonly length: number;
  readonly text: string;
}

/** @returns the instructions in `code`, whose first byte is at host address `host` */
export type HostDisassembler = (code: Uint8Array, host: number) => HostInstruction[];

/** @returns undefined where iced-x86 is not installed */
export async function hostDisassembler(): Promise<HostDisassembler | undefined> {
  try {
    const { Decoder, DecoderOptions, Formatter, FormatterSyntax } = await import('iced-x86');
    const formatter = new Formatter(FormatterSyntax.Intel);
    return (code, host) => {
      const decoder = new Decoder(64, code, DecoderOptions.None);
      decoder.ip = BigInt(host);
      const list = (decoder.decodeAll() as Instruction[]).map((instruction) => {
        const result = { length: instruction.length, text: formatter.format(instruction) };
        instruction.free();
        return result;
      });
      decoder.free();
      return list;
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

const hex = (value: number, digits = 8): string => (value >>> 0).toString(16).padStart(digits, '0');
const hexBytes = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('hex')
    .replace(/(..)(?=.)/g, '$1 ');

const GUEST_COLUMNS = 60;
/** Host bytes of a line where there is no disassembler. */
const BYTES_PER_LINE = 16;

/** The guest instruction at `eip` as text. */
function guestText({ fragment, guest }: MadeFragment, eip: number): string {
  const start = (eip - fragment.guestStart) | 0;
  try {
    const instruction = decode({ byte: (index) => guest[start + index] }, 4);
    return `${hex(eip)}  ${hexBytes(guest.subarray(start, start + instruction.length)).padEnd(24)}  ${format(instruction, eip >>> 0)}`;
  } catch (error) {
    // at a page end, or no instruction at all: the interpreter's
    if (!(error instanceof GuestFault) && !(error instanceof TypeError)) throw error;
    return `${hex(eip)}  ${hexBytes(guest.subarray(start))}`;
  }
}

function hostLines(code: Uint8Array, host: number, disassemble: HostDisassembler | undefined): string[] {
  const lines: string[] = [];
  if (disassemble === undefined) {
    for (let at = 0; at < code.length; at += BYTES_PER_LINE)
      lines.push(`${(host + at).toString(16)}  ${hexBytes(code.subarray(at, at + BYTES_PER_LINE))}`);
    return lines;
  }
  let at = 0;
  for (const { length, text } of disassemble(code, host)) {
    lines.push(`${(host + at).toString(16)}  ${text}`);
    at += length;
  }
  return lines;
}

/** A fragment as a listing: guest instructions on the left, the host code that the side table gives each of them on the right. */
export function listFragment(made: MadeFragment, codeBase: number, disassemble: HostDisassembler | undefined): string {
  const { fragment, placed, code } = made;
  const { interpreted } = fragment;
  const side = sideOf(fragment);
  const host = codeBase + placed.offset;
  const lines = [
    `fragment ${hex(placed.eip)} cpl ${made.user ? 3 : 0}: ${fragment.instructions} instructions, ${code.length} bytes at ${host.toString(16)}`,
  ];
  side.forEach(({ hostOffset, guestEip }, index) => {
    const end = side[index + 1]?.hostOffset ?? code.length;
    const right = hostLines(code.subarray(hostOffset, end), host + hostOffset, disassemble);
    const left = guestText(made, guestEip);
    lines.push(`${left.padEnd(GUEST_COLUMNS)}  ${right[0] ?? ''}`.trimEnd());
    for (const text of right.slice(1)) lines.push(`${''.padEnd(GUEST_COLUMNS)}  ${text}`);
  });
  if (interpreted !== undefined)
    lines.push(`${hex(interpreted.guestEip)}  for the interpreter: ${interpreted.mnemonic}`);
  return `${lines.join('\n')}\n\n`;
}

/** @returns a descriptor of perf's map of this process, for appending; what an earlier process of the same id left is dropped */
function openPerfMap(path: string): number {
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW, 0o644);
  const startedMs = Date.now() - process.uptime() * 1000;
  if (fstatSync(fd).mtimeMs < startedMs - 1000) ftruncateSync(fd);
  return fd;
}

function tryOpen(path: string, option: string, open: (path: string) => number): number {
  try {
    return open(path);
  } catch (error) {
    throw unwritable(path, option, error);
  }
}

function kernelSymbols(kernel: NamedFile): Symbols | undefined {
  try {
    return readSymbols(kernel.bytes, kernel.name);
  } catch (error) {
    if (!(error instanceof RomulusError)) throw error;
    return undefined;
  }
}

export interface FragmentLogSetup {
  readonly perfMap: boolean;
  /** File for the listing; undefined: none. */
  readonly dumpFile: string | undefined;
}

interface Output {
  readonly fd: number;
  readonly path: string;
  readonly option: string;
}

export class FragmentLog {
  private readonly _map: Output | undefined;
  private readonly _dump: Output | undefined;
  private readonly _symbols: Symbols | undefined;

  /**
   * @param kernel its symbols name fragments of CPL 0, if it has any
   * @param codeBase host address at which the code buffer is executed; asked once there are fragments
   * @throws HostError `FILE_UNWRITABLE`
   */
  constructor(
    setup: FragmentLogSetup,
    kernel: NamedFile,
    private readonly _codeBase: () => number,
    private readonly _disassemble: HostDisassembler | undefined,
  ) {
    if (setup.dumpFile !== undefined) {
      const option = '--dump-fragments';
      const path = setup.dumpFile;
      this._dump = { fd: tryOpen(path, option, openOutput), path, option };
      if (_disassemble === undefined)
        write(this._dump, 'host code as bytes: the package iced-x86, which would disassemble it, is not installed\n\n');
    }
    if (!setup.perfMap) return;
    const path = `/tmp/perf-${process.pid}.map`;
    this._map = { fd: tryOpen(path, '--perf-map', openPerfMap), path, option: '--perf-map' };
    this._symbols = kernelSymbols(kernel);
  }

  /** Writes at once, so that nothing is missing however the process ends. @throws HostError `FILE_UNWRITABLE` */
  note(made: MadeFragment): void {
    const codeBase = this._codeBase();
    if (this._map !== undefined) {
      const { placed } = made;
      const symbol = made.user ? undefined : this._symbols?.find(placed.eip >>> 0);
      const name = `romulus:0x${hex(placed.eip)}${symbol === undefined ? '' : `+${symbol}`}`;
      const size = placed.end - placed.offset;
      write(this._map, `${(codeBase + placed.offset).toString(16)} ${size.toString(16)} ${name}\n`);
    }
    if (this._dump !== undefined) write(this._dump, listFragment(made, codeBase, this._disassemble));
  }

  dispose(): void {
    if (this._map !== undefined) closeSync(this._map.fd);
    if (this._dump !== undefined) closeSync(this._dump.fd);
  }
}

function write({ fd, path, option }: Output, text: string): void {
  try {
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
  } catch (error) {
    throw unwritable(path, option, error);
  }
}
