/**
 * Traces of execution as QEMU's users know them: `in_asm` prints instructions when they are first decoded, `exec` each one that runs,
 * `cpu` the registers before it, `int` each interrupt and exception.
 *
 * A traced instruction is a step around the real one, made when the code is decoded: an interpreter without a tracer runs exactly as if
 * this file did not exist. Read before: `step.ts`. Read after: `interpreter.ts`.
 */
import { format } from '../x86/format.js';
import { Segment, type Instruction } from '../x86/instruction.js';
import { getEflags } from '../vcpu/flags.js';
import { SegmentWord, Word } from '../vcpu/layout.js';
import type { DeliveredEvent, Vcpu } from '../vcpu/vcpu.js';
import { Step } from './step.js';

/** What can be traced, by QEMU's names. */
export const traceItems = ['in_asm', 'exec', 'cpu', 'int'] as const;
export type TraceItem = (typeof traceItems)[number];

const hex = (value: number, digits = 8): string => (value >>> 0).toString(16).padStart(digits, '0');

const vectorNames: Readonly<Record<number, string>> = {
  ...{ 0: '#DE', 1: '#DB', 2: 'NMI', 3: '#BP', 4: '#OF', 5: '#BR', 6: '#UD', 7: '#NM', 8: '#DF' },
  ...{ 10: '#TS', 11: '#NP', 12: '#SS', 13: '#GP', 14: '#PF', 16: '#MF', 17: '#AC', 18: '#MC', 19: '#XM' },
};

export class Tracer {
  private readonly _items: ReadonlySet<TraceItem>;
  /** Where the instruction after the last one decoded begins, to group lines that follow each other. */
  private _nextLinear = -1;
  private _interrupts = 0;

  /**
   * @param items what to trace
   * @param write takes text, whole lines at a time
   */
  constructor(
    items: readonly TraceItem[],
    private readonly _write: (text: string) => void,
  ) {
    this._items = new Set(items);
  }

  /** Asks the vCPU to tell of interrupts, if they are to be traced. */
  attach(cpu: Vcpu): void {
    if (this._items.has('int')) cpu.onDelivery = (event) => this._interrupt(cpu, event);
  }

  /**
   * Prints a freshly decoded instruction and puts a step around it that prints what runs.
   * @param step the instruction's step @param eip its offset in CS @param linear its linear address
   * @param bytes its bytes
   */
  wrap(step: Step, eip: number, linear: number, bytes: Uint8Array): Step {
    const { instruction } = step;
    if (this._items.has('in_asm')) this._decoded(instruction, eip, linear, bytes);
    const showsRegisters = this._items.has('cpu');
    const showsLine = this._items.has('exec');
    if (!showsRegisters && !showsLine) return step;
    const text = format(instruction, eip >>> 0);
    return new Step(instruction, (cpu) => {
      if (showsLine) this._write(`Trace ${hex(linear)}: ${text}\n`);
      if (showsRegisters) this._write(registersText(cpu, eip));
      step.execute(cpu, step);
    });
  }

  private _decoded(instruction: Instruction, eip: number, linear: number, bytes: Uint8Array): void {
    const header = linear >>> 0 === this._nextLinear ? '' : '----------------\nIN:\n';
    this._nextLinear = (linear + instruction.length) >>> 0;
    const encoded = Buffer.from(bytes)
      .toString('hex')
      .replace(/..(?=.)/g, '$& ');
    this._write(`${header}0x${hex(linear)}:  ${encoded.padEnd(24)} ${format(instruction, eip >>> 0)}\n`);
  }

  private _interrupt(cpu: Vcpu, event: DeliveredEvent): void {
    const { words } = cpu;
    const name = vectorNames[event.vector];
    const error = event.errorCode === undefined ? '' : ` e=${hex(event.errorCode, 4)}`;
    const faulting = event.vector === 14 ? ` CR2=${hex(words[Word.Cr2])}` : '';
    this._write(
      `${String(this._interrupts++).padStart(6)}: v=${hex(event.vector, 2)}${name === undefined ? '' : ` ${name}`}${error}` +
        ` i=${event.software ? 1 : 0} cpl=${words[Word.Cpl]} IP=${hex(selector(cpu, Segment.Cs), 4)}:${hex(event.eip)}` +
        ` SP=${hex(selector(cpu, Segment.Ss), 4)}:${hex(words[Word.Esp])}${faulting} EAX=${hex(words[Word.Eax])}\n`,
    );
  }
}

function selector(cpu: Vcpu, segment: Segment): number {
  return cpu.words[Word.Segments + segment * SegmentWord.Count + SegmentWord.Selector];
}

/** The registers in the order of QEMU's dump. */
function registersText(cpu: Vcpu, eip: number): string {
  const { words } = cpu;
  const register = (name: string, word: Word): string => `${name}=${hex(words[word])}`;
  const eflags = getEflags(cpu);
  const segments = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'].map((name, index) => {
    const at = Word.Segments + index * SegmentWord.Count;
    return `${name}=${hex(words[at], 4)} ${hex(words[at + SegmentWord.Base])} ${hex(words[at + SegmentWord.Limit])}`;
  });
  return [
    [register('EAX', Word.Eax), register('EBX', Word.Ebx), register('ECX', Word.Ecx), register('EDX', Word.Edx)],
    [register('ESI', Word.Esi), register('EDI', Word.Edi), register('EBP', Word.Ebp), register('ESP', Word.Esp)],
    [`EIP=${hex(eip)} EFL=${hex(eflags)} CPL=${words[Word.Cpl]}`, register('CR0', Word.Cr0), register('CR3', Word.Cr3)],
    segments.slice(0, 3),
    segments.slice(3),
  ]
    .map((line) => `${line.join(' ')}\n`)
    .join('');
}
