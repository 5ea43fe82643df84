/**
 * MMX and SSE instructions that move or combine bits without arithmetic: done on the FXSAVE image here, which is quicker than a call of
 * the host's FPU. Non-temporal stores are plain ones, as memory is in order. (SDM 2, one heading per mnemonic)
 * Read before: `simd.ts`. Read after: `binders.ts`.
 */
import { OperandKind, type Instruction } from '../x86/instruction.js';
import type { Mnemonic } from '../x86/mnemonics.js';
import { FxByte, FxHalf } from '../vcpu/fxsave.js';
import { Word } from '../vcpu/layout.js';
import { linearWrite } from '../vcpu/segments.js';
import type { Vcpu } from '../vcpu/vcpu.js';
import { loadOperand, storeOperand } from './fpuMemory.js';
import { checkSimd, enterMmx, pendingException, setTop, slot, storeMmx } from './fpuState.js';
import { load32, store32 } from './operands.js';
import { available, isKind, mustAlign, undefinedInstruction, uses, xmm } from './simd.js';
import type { Binder, Engine, Execute } from './step.js';

/** Words of an XMM register that a move touches: first word and how many. */
interface Part {
  readonly from: number;
  readonly count: number;
}

const WHOLE: Part = { from: 0, count: 4 };
const WORD: Part = { from: 0, count: 1 };
const LOW: Part = { from: 0, count: 2 };
const HIGH: Part = { from: 2, count: 2 };

function guarded(instruction: Instruction, engine: Engine, execute: Execute): Execute {
  if (!available(instruction, engine)) return undefinedInstruction;
  return (cpu, s) => {
    checkSimd(cpu, true);
    execute(cpu, s);
  };
}

/**
 * Moves between XMM registers, and between one and memory.
 * @param part what of the register is moved to and from memory
 * @param zeroes a load clears the rest of the register, and so does a move between registers if it is `zeroesAlways`
 */
function moveXmm(part: Part, zeroes: boolean, zeroesAlways = false): Binder {
  const { from: first, count } = part;
  return (instruction, _step, engine) => {
    const [to, from] = instruction.operands;
    const bytes = count * 4;
    const aligned = mustAlign(instruction);
    if (isKind(to, OperandKind.Memory)) {
      const word = xmm(from.value) + first;
      return guarded(instruction, engine, (cpu, s) => storeOperand(cpu, s, bytes, aligned, word));
    }
    const target = xmm(to.value);
    const clear = (cpu: Vcpu): void => {
      for (let i = 0; i < 4; i++) if (i < first || i >= first + count) cpu.words[target + i] = 0;
    };
    if (isKind(from, OperandKind.Memory)) {
      return guarded(instruction, engine, (cpu, s) => {
        loadOperand(cpu, s, bytes, aligned, Word.FpuSource);
        for (let i = 0; i < count; i++) cpu.words[target + first + i] = cpu.words[Word.FpuSource + i];
        if (zeroes) clear(cpu);
      });
    }
    const source = xmm(from.value);
    return guarded(instruction, engine, (cpu) => {
      for (let i = first; i < first + count; i++) cpu.words[target + i] = cpu.words[source + i];
      if (zeroesAlways) clear(cpu);
    });
  };
}

/** MOVHLPS and MOVLHPS: one quadword to the other half. */
function crossHalves(to: number, from: number): Binder {
  return (instruction, _step, engine) => {
    const target = xmm(instruction.operands[0].value) + to;
    const source = xmm(instruction.operands[1].value) + from;
    return guarded(instruction, engine, (cpu) => {
      cpu.words[target] = cpu.words[source];
      cpu.words[target + 1] = cpu.words[source + 1];
    });
  };
}

type Combine = (to: number, from: number) => number;

/** AND, ANDN, OR, XOR on XMM or MMX registers, with a register or memory. */
function bitwise(combine: Combine): Binder {
  return (instruction, _step, engine) => {
    if (!available(instruction, engine)) return undefinedInstruction;
    const [to, from] = instruction.operands;
    const isMmx = isKind(to, OperandKind.Mmx);
    const fromMemory = isKind(from, OperandKind.Memory);
    const aligned = mustAlign(instruction);
    if (isMmx) {
      const target = slot(to.value);
      const source = fromMemory ? Word.FpuSource : slot(from.value);
      return (cpu, s) => {
        checkSimd(cpu, false);
        if (pendingException(cpu, s)) return;
        if (fromMemory) loadOperand(cpu, s, 8, false, Word.FpuSource);
        enterMmx(cpu);
        const words = cpu.words;
        storeMmx(cpu, to.value, combine(words[target], words[source]), combine(words[target + 1], words[source + 1]));
      };
    }
    const target = xmm(to.value);
    const source = fromMemory ? Word.FpuSource : xmm(from.value);
    return guarded(instruction, engine, (cpu, s) => {
      if (fromMemory) loadOperand(cpu, s, 16, aligned, Word.FpuSource);
      const words = cpu.words;
      for (let i = 0; i < 4; i++) words[target + i] = combine(words[target + i], words[source + i]);
    });
  };
}

const and = bitwise((to, from) => to & from);
const andNot = bitwise((to, from) => ~to & from);
const or = bitwise((to, from) => to | from);
const xor = bitwise((to, from) => to ^ from);

/** An MMX instruction: checks, then its memory access, then the x87 state's change, then the rest. */
function withMmx(instruction: Instruction, engine: Engine, access: Execute, finish: Execute): Execute {
  if (!available(instruction, engine)) return undefinedInstruction;
  const needsXmm = uses(instruction, OperandKind.Xmm);
  return (cpu, s) => {
    checkSimd(cpu, needsXmm);
    if (pendingException(cpu, s)) return;
    access(cpu, s);
    enterMmx(cpu);
    finish(cpu, s);
  };
}

const nothing: Execute = () => undefined;

/**
 * Where MM(`index`) stands before an MMX instruction has set TOP to 0. @returns the first word of its slot
 */
function mmxSlot(cpu: Vcpu, index: number): number {
  return slot((index - (cpu.halves[FxHalf.Fsw] >> 11)) & 7);
}

/** MOVQ and MOVNTQ between MMX registers, and between one and memory. */
const moveMmx: Binder = (instruction, _step, engine) => {
  const [to, from] = instruction.operands;
  if (isKind(to, OperandKind.Memory)) {
    const store: Execute = (cpu, s) => storeOperand(cpu, s, 8, false, mmxSlot(cpu, from.value));
    return withMmx(instruction, engine, store, nothing);
  }
  const fromMemory = isKind(from, OperandKind.Memory);
  const load: Execute = (cpu, s) => loadOperand(cpu, s, 8, false, Word.FpuSource);
  const source = fromMemory ? Word.FpuSource : slot(from.value);
  return withMmx(instruction, engine, fromMemory ? load : nothing, (cpu) =>
    storeMmx(cpu, to.value, cpu.words[source], cpu.words[source + 1]),
  );
};

/** MOVD: a doubleword between a general register or memory and an MMX or XMM register, zero-extended on the way in. */
const moveDoubleword: Binder = (instruction, step, engine) => {
  const [to, from] = instruction.operands;
  const memory = instruction.memory !== undefined;
  if (isKind(to, OperandKind.Mmx)) {
    const load: Execute = (cpu, s) =>
      void (cpu.words[Word.FpuSource] = memory ? load32(cpu, s) : cpu.words[from.value]);
    return withMmx(instruction, engine, load, (cpu) => storeMmx(cpu, to.value, cpu.words[Word.FpuSource], 0));
  }
  if (isKind(from, OperandKind.Mmx)) {
    return withMmx(
      instruction,
      engine,
      (cpu, s) => {
        const value = cpu.words[mmxSlot(cpu, from.value)];
        if (memory) store32(cpu, s, value);
        else cpu.words[to.value] = value;
      },
      nothing,
    );
  }
  if (memory) return moveXmm(WORD, true)(instruction, step, engine);
  if (isKind(to, OperandKind.Xmm)) {
    const target = xmm(to.value);
    return guarded(instruction, engine, (cpu) => {
      cpu.words[target] = cpu.words[from.value];
      cpu.words.fill(0, target + 1, target + 4);
    });
  }
  const source = xmm(from.value);
  return guarded(instruction, engine, (cpu) => void (cpu.words[to.value] = cpu.words[source]));
};

const moveQuadwordXmm = moveXmm(LOW, true, true);

const moveQuadword: Binder = (instruction, step, engine) =>
  (uses(instruction, OperandKind.Mmx) ? moveMmx : moveQuadwordXmm)(instruction, step, engine);

const mmxToXmm: Binder = (instruction, _step, engine) => {
  const target = xmm(instruction.operands[0].value);
  const source = slot(instruction.operands[1].value);
  return withMmx(instruction, engine, nothing, (cpu) => {
    const words = cpu.words;
    words[target] = words[source];
    words[target + 1] = words[source + 1];
    words[target + 2] = 0;
    words[target + 3] = 0;
  });
};

const xmmToMmx: Binder = (instruction, _step, engine) => {
  const [to, from] = instruction.operands;
  const source = xmm(from.value);
  return withMmx(instruction, engine, nothing, (cpu) =>
    storeMmx(cpu, to.value, cpu.words[source], cpu.words[source + 1]),
  );
};

/**
 * MASKMOVQ and MASKMOVDQU: stores the bytes whose mask byte is negative at DS:eDI. Bytes that are not stored are not touched, so they
 * cannot fault; which the manual leaves to the implementation.
 */
const maskedMove: Binder = (instruction, _step, engine) => {
  const [data, mask] = instruction.operands;
  const isMmx = isKind(data, OperandKind.Mmx);
  const sizeBytes = isMmx ? 8 : 16;
  const { segment, addressSize } = instruction;
  const addressMask = addressSize === 2 ? 0xffff : -1;
  const store: Execute = (cpu) => {
    const dataAt = (isMmx ? mmxSlot(cpu, data.value) : xmm(data.value)) * 4;
    const maskAt = (isMmx ? mmxSlot(cpu, mask.value) : xmm(mask.value)) * 4;
    const linear = (index: number): number => linearWrite(cpu, segment, (cpu.words[Word.Edi] + index) & addressMask, 1);
    const chosen = Array.from({ length: sizeBytes }, (_, index) => index).filter(
      (index) => (cpu.bytes[maskAt + index] & 0x80) !== 0,
    );
    for (const index of chosen) cpu.mmu.probeWrite(linear(index), 1);
    for (const index of chosen) cpu.mmu.write8(linear(index), cpu.bytes[dataAt + index]);
  };
  return isMmx ? withMmx(instruction, engine, store, nothing) : guarded(instruction, engine, store);
};

/** EMMS: all registers empty, TOP = 0 as with every MMX instruction. */
const emms: Binder = (instruction, _step, engine) => {
  if (!available(instruction, engine)) return undefinedInstruction;
  return (cpu, s) => {
    checkSimd(cpu, false);
    if (pendingException(cpu, s)) return;
    setTop(cpu, 0);
    cpu.bytes[FxByte.Ftw] = 0;
  };
};

/** MOVNTI uses general registers only; neither CR0 nor CR4 turns it off. */
const storeInteger: Binder = (instruction, _step, engine) =>
  available(instruction, engine) ? (cpu, s) => store32(cpu, s, cpu.words[s.src]) : undefinedInstruction;

const whole = moveXmm(WHOLE, false);

export const simdMoveBinders = {
  MOVAPS: whole,
  MOVAPD: whole,
  MOVUPS: whole,
  MOVUPD: whole,
  MOVDQA: whole,
  MOVDQU: whole,
  LDDQU: whole,
  MOVNTPS: whole,
  MOVNTPD: whole,
  MOVNTDQ: whole,
  MOVSS: moveXmm(WORD, true),
  MOVSD: moveXmm(LOW, true),
  MOVLPS: moveXmm(LOW, false),
  MOVLPD: moveXmm(LOW, false),
  MOVHPS: moveXmm(HIGH, false),
  MOVHPD: moveXmm(HIGH, false),
  MOVHLPS: crossHalves(0, 2),
  MOVLHPS: crossHalves(2, 0),
  MOVD: moveDoubleword,
  MOVQ: moveQuadword,
  MOVNTQ: moveMmx,
  MOVQ2DQ: mmxToXmm,
  MOVDQ2Q: xmmToMmx,
  MOVNTI: storeInteger,
  MASKMOVQ: maskedMove,
  MASKMOVDQU: maskedMove,
  EMMS: emms,
  ANDPS: and,
  ANDPD: and,
  PAND: and,
  ANDNPS: andNot,
  ANDNPD: andNot,
  PANDN: andNot,
  ORPS: or,
  ORPD: or,
  POR: or,
  XORPS: xor,
  XORPD: xor,
  PXOR: xor,
} satisfies Partial<Record<Mnemonic, Binder>>;
