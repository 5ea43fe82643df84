/**
 * A kernel's code under each strategy: instructions that a strategy has to do with, between conditional jumps, loops, calls, and pushes whose
 * move of ESP is still to come. Random programs at CPL 0, which `npm run fuzz`, whose programs are the host's as well, cannot make.
 * Read before: `rig.ts`, `../../src/irq/strategies/strategy.ts`.
 */
import { type StrategyName } from '../../src/irq/strategies/index.js';
import { below, edgeValue, generator, once, pick, type Next } from '../vectors/values.js';
import { both, CODE, d, STACK_TOP } from './rig.js';

const STRATEGIES: readonly StrategyName[] = ['virtual-mask', 'host-mask', 'trap-and-emulate'];
const PROGRAMS = 40;
const PARTS = 30;
const MAX_DEPTH = 3;

const HLT = 0xf4;
const DATA = 0x20000;
const COUNTERS = 0x21000;
/** Registers but ESP and EBP, which handlers of faults overwrite. */
const REGISTERS = [0, 1, 2, 3, 6, 7];

/** Machine code of one program. Branches are relative, so that it may lie anywhere. */
class KernelProgram {
  private _loops = 0;

  constructor(private readonly _next: Next) {}

  make(): number[] {
    // mov esp, STACK_TOP - 0x100: pops may take more than was pushed
    const code = [0xbc, ...d(STACK_TOP - 0x100)];
    for (let part = 0; part < PARTS; part++) code.push(...this._part(0));
    return [...code, HLT];
  }

  private _part(depth: number): number[] {
    const next = this._next;
    switch (below(next, depth < MAX_DEPTH ? 8 : 6)) {
      case 0:
      case 1:
        return this._stack();
      case 2:
        return this._sensitive();
      case 3: {
        // jcc over what follows
        const over = this._body(depth);
        return over.length < 0x80 ? [0x70 + below(next, 16), over.length, ...over] : over;
      }
      case 6:
        return this._loop(depth);
      case 7:
        return this._function(depth);
      default:
        return this._plain();
    }
  }

  private _body(depth: number): number[] {
    return Array.from({ length: 1 + below(this._next, 4) }, () => this._part(depth + 1)).flat();
  }

  private _plain(): number[] {
    const next = this._next;
    const [to, from] = [pick(next, REGISTERS), pick(next, REGISTERS)];
    return pick(next, [
      // an operation on registers, with an immediate, with memory; inc; mov
      [(below(next, 8) << 3) | 1, 0xc0 | (from << 3) | to],
      [0x81, 0xc0 | (below(next, 8) << 3) | to, ...d(edgeValue(next))],
      [(below(next, 8) << 3) | 1, 0x05 | (from << 3), ...d(DATA + 4 * below(next, 64))],
      [0x40 + to],
      [0xb8 + to, ...d(edgeValue(next))],
    ]);
  }

  private _stack(): number[] {
    const next = this._next;
    const register = pick(next, REGISTERS);
    return pick(next, [
      [0x50 + register],
      [0x50 + register],
      [0x58 + register],
      // push imm; sub esp, 8; add esp, 8; mov register, [esp + 4]; mov [esp], register
      [0x68, ...d(edgeValue(next))],
      [0x83, 0xec, 8],
      [0x83, 0xc4, 8],
      [0x8b, 0x44 | (register << 3), 0x24, 4],
      [0x89, 0x04 | (register << 3), 0x24],
    ]);
  }

  /** What reads or writes IF or the tables, and I/O. TF and AC stay clear: a program that steps never ends. */
  private _sensitive(): number[] {
    const next = this._next;
    const address = d(DATA + 0x200 + 8 * below(next, 16));
    return pick(next, [
      [0xfa],
      [0xfb],
      [0x9c],
      // pushf; pop register
      [0x9c, 0x58 + pick(next, REGISTERS)],
      // push flags; popf
      [0x68, ...d((next() & 0x8d5) | 2 | (once(next, 2) ? 0x200 : 0)), 0x9d],
      // in al, 0x70; out 0x70, al
      [0xe4, 0x70],
      [0xe6, 0x70],
      // sgdt, sidt; smsw eax; str ax; mov eax, cr0; mov cr0, eax of the same value; clts
      [0x0f, 0x01, 0x05, ...address],
      [0x0f, 0x01, 0x0d, ...address],
      [0x0f, 0x01, 0xe0],
      [0x0f, 0x00, 0xc8],
      [0x0f, 0x20, 0xc0],
      [0x0f, 0x20, 0xc0, 0x0f, 0x22, 0xc0],
      [0x0f, 0x06],
    ]);
  }

  /** A loop that counts in memory. */
  private _loop(depth: number): number[] {
    const counter = d(COUNTERS + 4 * this._loops++);
    const body = this._body(depth);
    const start = [0xc7, 0x05, ...counter, ...d(1 + below(this._next, 5))];
    // sub dword [counter], 1; jg
    const end = [0x83, 0x2d, ...counter, 1, 0x0f, 0x8f];
    return [...start, ...body, ...end, ...d(-(body.length + end.length + 4))];
  }

  /** A function that is jumped over and called, which puts ESP back before it returns. */
  private _function(depth: number): number[] {
    // mov ebp, esp; mov esp, ebp; ret
    const body = [0x55, 0x89, 0xe5, ...this._body(MAX_DEPTH - 1), 0x89, 0xec, 0x5d, 0xc3];
    const between = depth < MAX_DEPTH ? this._body(MAX_DEPTH) : [];
    return [0xe9, ...d(body.length), ...body, ...between, 0xe8, ...d(-(body.length + between.length + 5))];
  }
}

describe('translator: a kernel under each strategy', function () {
  this.timeout(120_000);
  for (const interrupts of STRATEGIES) {
    for (const maxInstructions of [undefined, 1]) {
      it(`${interrupts}, ${maxInstructions === 1 ? 'one instruction a fragment' : 'chained'}`, () => {
        for (let seed = 1; seed <= PROGRAMS; seed++) {
          const program = new KernelProgram(generator(seed)).make();
          try {
            both(program, { interrupts, maxInstructions });
          } catch (error) {
            throw new Error(`program ${seed} at 0x${CODE.toString(16)}: ${Buffer.from(program).toString('hex')}`, {
              cause: error,
            });
          }
        }
      });
    }
  }

  it('leaves a fragment with ESP as the guest has it, whichever way', () => {
    // stc or clc; jae over; push ebx; push ecx; cli; pop; pop; sti; hlt
    for (const flags of [0xf9, 0xf8])
      for (const interrupts of STRATEGIES)
        both([flags, 0x73, 0x08, 0x53, 0x51, 0xfa, 0x5a, 0x5e, 0xfb, 0x90, HLT, HLT], { interrupts });
  });
});
