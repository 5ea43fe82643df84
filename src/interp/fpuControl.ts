/**
 * x87 control instructions: control and status word, environment and state images, FXSAVE and FXRSTOR, WAIT. They work on the FXSAVE
 * image alone. (SDM 1, "x87 FPU Control Instructions"; SDM 2, one heading per mnemonic)
 * Read before: `fpuState.ts`. Read after: `fpu.ts`.
 */
import { Cr0 } from '../x86/control.js';
import type { Mnemonic } from '../x86/mnemonics.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { FCW_BITS, FCW_ONE, FXSAVE_BYTES, Fsw, FxByte, FxHalf, FxWord, MXCSR_BITS, initFpu } from '../vcpu/fxsave.js';
import { Word } from '../vcpu/layout.js';
import { linearRead, linearWrite } from '../vcpu/segments.js';
import { Mode, type Vcpu } from '../vcpu/vcpu.js';
import { checkAligned } from './fpuMemory.js';
import { checkSimd, checkX87, pendingException, setTop, slot, summarize } from './fpuState.js';
import { effective, load16, load32, store16, store32 } from './operands.js';
import type { Binder, Execute } from './step.js';

/** FXSAVE and FXRSTOR: bytes of memory that the operand names. */
const FXSAVE_OPERAND_BYTES = 512;
const ST_BYTES = 10;
/** What a 16-bit read of a bus that nothing drives gives. */
const FLOATING_BUS = 0xffff;

/** Runs `execute` after the checks of a control instruction that does not wait. */
function nonWaiting(execute: Execute): Binder {
  return (_instruction, _step, engine) => {
    const present = engine.cpu.hooks.fpu !== undefined;
    return (cpu, s) => {
      checkX87(cpu);
      if (present) execute(cpu, s);
      else engine.unimplemented(s);
    };
  };
}

/** The same for one that waits. */
function waiting(execute: Execute): Binder {
  return nonWaiting((cpu, s) => {
    if (!pendingException(cpu, s)) execute(cpu, s);
  });
}

/**
 * A control instruction with which software finds out whether there is an FPU: without one it does what it did on a processor whose
 * coprocessor socket is empty (SDM 3A, "Setting the processor for x87 FPU software emulation").
 */
function probing(execute: Execute, absent: Execute): Binder {
  return (_instruction, _step, engine) => {
    const chosen = engine.cpu.hooks.fpu !== undefined ? execute : absent;
    return (cpu, s) => {
      checkX87(cpu);
      chosen(cpu, s);
    };
  };
}

function setControl(cpu: Vcpu, value: number): void {
  cpu.halves[FxHalf.Fcw] = (value & FCW_BITS) | FCW_ONE;
  summarize(cpu);
}

function init(cpu: Vcpu): void {
  setTop(cpu, 0);
  initFpu(cpu);
  summarize(cpu);
}

/** Tag of ST(`index`): 0 valid, 1 zero, 2 special, 3 empty (SDM 1, "x87 FPU Tag Word"). */
function tag(cpu: Vcpu, index: number, valid: boolean): number {
  if (!valid) return 3;
  const at = slot(index);
  const exponent = cpu.words[at + 2] & 0x7fff;
  const low = cpu.words[at];
  const high = cpu.words[at + 1];
  if (exponent === 0) return (low | high) === 0 ? 1 : 2;
  // the integer bit of a normal number is 1
  return exponent === 0x7fff || high >= 0 ? 2 : 0;
}

/** The 16-bit tag word, two bits for each physical register. */
function tagWord(cpu: Vcpu): number {
  const top = (cpu.halves[FxHalf.Fsw] >> 11) & 7;
  const valid = cpu.bytes[FxByte.Ftw];
  let word = 0;
  for (let register = 0; register < 8; register++) {
    word |= tag(cpu, (register - top) & 7, (valid & (1 << register)) !== 0) << (register * 2);
  }
  return word;
}

/** Takes a tag word: of its tags only "empty" counts, the processor works the others out of the registers. */
function setTagWord(cpu: Vcpu, word: number): void {
  let valid = 0;
  for (let register = 0; register < 8; register++) if (((word >> (register * 2)) & 3) !== 3) valid |= 1 << register;
  cpu.bytes[FxByte.Ftw] = valid;
}

/** Environment images hold addresses in the way of the mode: selector and offset, or 20 and more bits of linear address. */
const isProtected = (cpu: Vcpu): boolean => cpu.mode === Mode.Protected;

/** FIP or FDP as real and virtual-8086 mode show them. */
const linearPointer = (selector: number, offset: number): number => ((selector << 4) + offset) | 0;

/** The environment as seven words of the 32-bit or 16-bit format (SDM 1, figures "Protected mode x87 FPU state image" and on). */
function environment(cpu: Vcpu, operandSize: number): number[] {
  const { halves, words } = cpu;
  const fop = halves[FxHalf.Fop] & 0x7ff;
  const status = [halves[FxHalf.Fcw], halves[FxHalf.Fsw], tagWord(cpu)];
  const high = operandSize === 4 ? 0xffff0000 : 0;
  const head = status.map((value) => value | high);
  if (isProtected(cpu)) {
    const code = operandSize === 4 ? halves[FxHalf.Fcs] | (fop << 16) : halves[FxHalf.Fcs];
    return [...head, words[FxWord.Fip], code, words[FxWord.Fdp], halves[FxHalf.Fds] | high];
  }
  const code = linearPointer(halves[FxHalf.Fcs], words[FxWord.Fip]);
  const data = linearPointer(halves[FxHalf.Fds], words[FxWord.Fdp]);
  const upper = operandSize === 4 ? 0x0ffff000 : 0xf000;
  return [...head, (code & 0xffff) | high, ((code >>> 4) & upper) | fop, (data & 0xffff) | high, (data >>> 4) & upper];
}

/** Takes an environment image; the physical registers stay where they are. */
function setEnvironment(cpu: Vcpu, image: readonly number[], operandSize: number): void {
  const { halves, words } = cpu;
  const [fcw, fsw, ftw, fip, code, fdp, data] = image;
  setTop(cpu, (fsw >> 11) & 7);
  halves[FxHalf.Fsw] = fsw;
  setTagWord(cpu, ftw);
  if (isProtected(cpu)) {
    words[FxWord.Fip] = operandSize === 4 ? fip : fip & 0xffff;
    halves[FxHalf.Fcs] = code;
    if (operandSize === 4) halves[FxHalf.Fop] = (code >>> 16) & 0x7ff;
    words[FxWord.Fdp] = operandSize === 4 ? fdp : fdp & 0xffff;
    halves[FxHalf.Fds] = data;
  } else {
    const upper = operandSize === 4 ? 0x0ffff000 : 0xf000;
    words[FxWord.Fip] = (fip & 0xffff) | ((code & upper) << 4);
    words[FxWord.Fdp] = (fdp & 0xffff) | ((data & upper) << 4);
    halves[FxHalf.Fcs] = 0;
    halves[FxHalf.Fds] = 0;
    halves[FxHalf.Fop] = code & 0x7ff;
  }
  setControl(cpu, fcw);
}

function storeEnvironment(cpu: Vcpu, linear: number, operandSize: number): void {
  environment(cpu, operandSize).forEach((value, index) => {
    if (operandSize === 4) cpu.mmu.write32((linear + index * 4) | 0, value | 0);
    else cpu.mmu.write16((linear + index * 2) | 0, value & 0xffff);
  });
}

function loadEnvironment(cpu: Vcpu, linear: number, operandSize: number): number[] {
  return Array.from({ length: 7 }, (_, index) =>
    operandSize === 4 ? cpu.mmu.read32((linear + index * 4) | 0) : cpu.mmu.read16((linear + index * 2) | 0),
  );
}

const fnstenv: Execute = (cpu, s) => {
  const bytes = s.operandSize * 7;
  const linear = linearWrite(cpu, s.segment, effective(cpu, s), bytes);
  cpu.mmu.requireAligned(linear, s.operandSize);
  cpu.mmu.probeWrite(linear, bytes);
  storeEnvironment(cpu, linear, s.operandSize);
  // so that the handler that looks at the image meets no exception itself
  setControl(cpu, cpu.halves[FxHalf.Fcw] | Fsw.Exceptions);
};

const fldenv: Execute = (cpu, s) => {
  const linear = linearRead(cpu, s.segment, effective(cpu, s), s.operandSize * 7);
  setEnvironment(cpu, loadEnvironment(cpu, linear, s.operandSize), s.operandSize);
};

const fnsave: Execute = (cpu, s) => {
  const head = s.operandSize * 7;
  const linear = linearWrite(cpu, s.segment, effective(cpu, s), head + 8 * ST_BYTES);
  cpu.mmu.requireAligned(linear, s.operandSize);
  cpu.mmu.probeWrite(linear, head + 8 * ST_BYTES);
  storeEnvironment(cpu, linear, s.operandSize);
  // by bytes: alignment is checked for the environment only
  for (let i = 0; i < 8; i++) {
    const from = slot(i) * 4;
    for (let k = 0; k < ST_BYTES; k++) cpu.mmu.write8((linear + head + i * ST_BYTES + k) | 0, cpu.bytes[from + k]);
  }
  init(cpu);
};

const frstor: Execute = (cpu, s) => {
  const head = s.operandSize * 7;
  const linear = linearRead(cpu, s.segment, effective(cpu, s), head + 8 * ST_BYTES);
  cpu.mmu.requireAligned(linear, s.operandSize);
  cpu.mmu.probeRead(linear, head + 8 * ST_BYTES);
  const image = loadEnvironment(cpu, linear, s.operandSize);
  setEnvironment(cpu, image, s.operandSize);
  for (let i = 0; i < 8; i++) {
    const to = slot(i) * 4;
    for (let k = 0; k < ST_BYTES; k++) cpu.bytes[to + k] = cpu.mmu.read8((linear + head + i * ST_BYTES + k) | 0);
    cpu.halves[slot(i) * 2 + 5] = 0;
  }
};

/** Writes what there is of the image; the rest of the 512 bytes is left as it is, as processors do. */
const fxsave: Execute = (cpu, s) => {
  const linear = linearWrite(cpu, s.segment, effective(cpu, s), FXSAVE_OPERAND_BYTES);
  checkAligned(linear);
  cpu.mmu.probeWrite(linear, FXSAVE_OPERAND_BYTES);
  cpu.words[FxWord.MxcsrMask] = MXCSR_BITS;
  for (let i = 0; i < FXSAVE_BYTES; i += 4) cpu.mmu.write32((linear + i) | 0, cpu.words[Word.Fxsave + (i >> 2)]);
};

const fxrstor: Execute = (cpu, s) => {
  const linear = linearRead(cpu, s.segment, effective(cpu, s), FXSAVE_OPERAND_BYTES);
  checkAligned(linear);
  cpu.mmu.probeRead(linear, FXSAVE_OPERAND_BYTES);
  const { words, halves, bytes, mmu } = cpu;
  const image = Array.from({ length: FXSAVE_BYTES / 4 }, (_, index) => mmu.read32((linear + index * 4) | 0));
  if ((image[FxWord.Mxcsr - Word.Fxsave] & ~MXCSR_BITS) !== 0) throw new GuestFault(Vector.GP, 0);
  words.set(image, Word.Fxsave);
  // reserved fields and bits do not exist in the registers
  bytes[FxByte.Ftw + 1] = 0;
  halves[FxHalf.Fop] &= 0x7ff;
  halves[FxHalf.Fcs + 1] = 0;
  halves[FxHalf.Fds + 1] = 0;
  words[FxWord.MxcsrMask] = MXCSR_BITS;
  for (let i = 0; i < 8; i++) {
    words[slot(i) + 2] &= 0xffff;
    words[slot(i) + 3] = 0;
  }
  setControl(cpu, halves[FxHalf.Fcw]);
};

const storeStatus: Execute = (cpu, s) => {
  if (s.instruction.memory === undefined) cpu.halves[Word.Eax * 2] = cpu.halves[FxHalf.Fsw];
  else store16(cpu, s, cpu.halves[FxHalf.Fsw]);
};

const floatingStatus: Execute = (cpu, s) => {
  if (s.instruction.memory === undefined) cpu.halves[Word.Eax * 2] = FLOATING_BUS;
  else store16(cpu, s, FLOATING_BUS);
};

const nothing: Execute = () => undefined;

/** WAIT: #NM when the x87 is another task's and CR0.MP says so, then the pending exception (SDM 2, WAIT). */
const wait: Execute = (cpu, s) => {
  const both = Cr0.MP | Cr0.TS;
  if ((cpu.words[Word.Cr0] & both) === both) throw new GuestFault(Vector.NM, undefined);
  pendingException(cpu, s);
};

/** LDMXCSR and STMXCSR, which belong to SSE. */
function mxcsr(execute: Execute): Binder {
  return (_instruction, _step, engine) => {
    const present = engine.cpu.hooks.fpu !== undefined;
    return (cpu, s) => {
      if (!present) throw new GuestFault(Vector.UD, undefined);
      checkSimd(cpu, true);
      execute(cpu, s);
    };
  };
}

export const fpuControlBinders = {
  WAIT: () => wait,
  FLDCW: waiting((cpu, s) => setControl(cpu, load16(cpu, s))),
  FNSTCW: probing(
    (cpu, s) => store16(cpu, s, cpu.halves[FxHalf.Fcw]),
    (cpu, s) => store16(cpu, s, FLOATING_BUS),
  ),
  FNSTSW: probing(storeStatus, floatingStatus),
  FNINIT: probing(init, nothing),
  FNCLEX: probing((cpu) => {
    cpu.halves[FxHalf.Fsw] &= ~(Fsw.Exceptions | Fsw.SF);
    summarize(cpu);
  }, nothing),
  FNENI: probing(nothing, nothing),
  FNDISI: probing(nothing, nothing),
  FNSETPM: probing(nothing, nothing),
  FNSTENV: nonWaiting(fnstenv),
  FLDENV: waiting(fldenv),
  FNSAVE: nonWaiting(fnsave),
  FRSTOR: waiting(frstor),
  FXSAVE: nonWaiting(fxsave),
  FXRSTOR: nonWaiting(fxrstor),
  LDMXCSR: mxcsr((cpu, s) => {
    const value = load32(cpu, s);
    if ((value & ~MXCSR_BITS) !== 0) throw new GuestFault(Vector.GP, 0);
    cpu.words[FxWord.Mxcsr] = value;
  }),
  STMXCSR: mxcsr((cpu, s) => store32(cpu, s, cpu.words[FxWord.Mxcsr])),
} satisfies Partial<Record<Mnemonic, Binder>>;
