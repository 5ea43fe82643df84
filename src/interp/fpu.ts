/**
 * x87 data, arithmetic, comparison, transcendental and constant instructions. (SDM 1, "Programming with the x87 FPU"; SDM 2, one heading
 * per mnemonic)
 *
 * Each runs on the host's FPU through one of two stubs (`fpuStub.ts`): the quick one when all exceptions are masked and the registers
 * that it uses are valid (or empty, for a push), the exact one otherwise. Here are the parts that the host must not decide: availability,
 * memory accesses, the stack's bookkeeping, pointers. What only moves registers is done here altogether.
 * Read before: `fpuState.ts`, `fpuStub.ts`. Read after: `fpuControl.ts`.
 */
import { OperandKind, type Instruction } from '../x86/instruction.js';
import type { X87Mnemonic } from '../x86/mnemonics.js';
import { ARITHMETIC_FLAGS, arithmeticFlags, condition, setArithmeticFlags } from '../vcpu/flags.js';
import { Fsw, FxHalf, FxWord } from '../vcpu/fxsave.js';
import { Word } from '../vcpu/layout.js';
import { linearRead, linearWrite } from '../vcpu/segments.js';
import type { FpuHelper, Vcpu } from '../vcpu/vcpu.js';
import { fpuControlBinders } from './fpuControl.js';
import { loadWords, storeWords } from './fpuMemory.js';
import {
  checkX87,
  copySlot,
  decrementTop,
  incrementTop,
  noteInstruction,
  noteOperand,
  pendingException,
  pop,
  push,
  setValid,
  slot,
  validMask,
} from './fpuState.js';
import {
  DROP,
  TAKE_FLAGS,
  TAKE_STATUS,
  encodingOf,
  exactStub,
  loadSt,
  quickStub,
  storeSt,
  x87Memory,
} from './fpuStub.js';
import { effective } from './operands.js';
import type { Binder, Execute } from './step.js';

/** What may go the quick way, and what happens to the stack there. The exact way knows by itself. */
interface Recipe {
  /** The quick stub's operation, or undefined: always exact. */
  readonly quick: readonly number[] | undefined;
  /** Registers that must be valid, bit i for ST(i). */
  readonly valid: number;
  /** Condition bits of FSW that the operation defines. */
  readonly conditions: number;
  /** The operation pushes one value first, or pops so many afterwards. */
  readonly pushes: boolean;
  readonly pops: number;
  /** Arithmetic flags are read or written: the exact stub passes them both ways, the quick one takes them. */
  readonly flags: boolean;
  /** The memory operand is written. */
  readonly stores: boolean;
}

const plain: Recipe = {
  quick: undefined,
  valid: 0,
  conditions: Fsw.C1,
  pushes: false,
  pops: 0,
  flags: false,
  stores: false,
};

const COMPARISON = Fsw.C0 | Fsw.C1 | Fsw.C2 | Fsw.C3;
/** ST(7) of now is ST(0) after a push. */
const NEXT = 1 << 7;
const NONE = 0;
/** ModR/M byte of ST(1) with a reg field. */
const withSt1 = (modRm: number): number => (modRm & 0xf8) | 1;

/** The number i of ST(i) in a register form. */
const stackIndex = (instruction: Instruction): number => instruction.modRm & 7;

function executeRecipe(instruction: Instruction, fpu: FpuHelper, recipe: Recipe): Execute {
  const { form, modRm } = instruction;
  const { opcode } = encodingOf(form);
  const fop = ((opcode & 7) << 8) | modRm;
  const memorySize = instruction.operands.find((operand) => operand.kind === OperandKind.Memory)?.size ?? 0;
  const operation = memorySize > 0 ? x87Memory(opcode, (modRm >> 3) & 7) : [opcode, modRm];
  const key = memorySize > 0 ? `${form.opcode}` : `x87 ${opcode} ${modRm}`;
  const exact = fpu.stub(`exact ${key}`, () => exactStub(operation, recipe.flags));
  const { quick: middle, conditions, pushes, pops, flags, stores } = recipe;
  const quick = middle === undefined ? NONE : fpu.stub(`quick ${key}`, () => quickStub(middle));
  const isQuick = middle !== undefined;
  const relevant = recipe.valid | (pushes ? NEXT : 0);
  const wanted = recipe.valid;
  const run = fpu.run;

  return (cpu, s) => {
    checkX87(cpu);
    if (pendingException(cpu, s)) return;
    const { words, halves } = cpu;
    let offset = 0;
    let linear = 0;
    if (memorySize > 0) {
      offset = effective(cpu, s);
      if (stores) {
        linear = linearWrite(cpu, s.segment, offset, memorySize);
        cpu.mmu.probeWrite(linear, memorySize);
      } else {
        linear = linearRead(cpu, s.segment, offset, memorySize);
        loadWords(cpu, linear, memorySize, Word.FpuSource);
      }
    }
    let suppressed = false;
    if (isQuick && (halves[FxHalf.Fcw] & Fsw.Exceptions) === Fsw.Exceptions && (validMask(cpu) & relevant) === wanted) {
      if (pushes) push(cpu);
      words[Word.FpuStub] = quick;
      run();
      const status = words[Word.FpuStatus];
      halves[FxHalf.Fsw] = (halves[FxHalf.Fsw] & ~conditions) | (status & (conditions | Fsw.Exceptions));
      if (flags) setArithmeticFlags(cpu, words[Word.FpuFlags], ARITHMETIC_FLAGS);
      if (pops > 0) pop(cpu);
      if (pops > 1) pop(cpu);
    } else {
      if (flags) words[Word.FpuFlags] = arithmeticFlags(cpu) | 2;
      runExact(cpu, exact, run);
      const fsw = halves[FxHalf.Fsw];
      const raised = (fsw & Fsw.ES) !== 0;
      if (flags) setArithmeticFlags(cpu, words[Word.FpuFlags], ARITHMETIC_FLAGS);
      // an unmasked exception other than a loss of precision leaves the destination alone (SDM 1, "x87 FPU Exception Handling")
      suppressed = raised && (fsw & ~halves[FxHalf.Fcw] & UNSTORED) !== 0;
    }
    if (stores && !suppressed) storeWords(cpu, linear, memorySize, Word.FpuSource);
    noteInstruction(cpu, s, fop);
    if (memorySize > 0) noteOperand(cpu, s.segment, offset);
  };
}

/** Invalid, denormal, zero divide, overflow, underflow. */
const UNSTORED = 0x1f;

/** Runs an exact stub; the data pointer in the image is then as before, which processors differ in. */
function runExact(cpu: Vcpu, stub: number, run: () => void): void {
  const { words, halves } = cpu;
  const fdp = words[FxWord.Fdp];
  const fds = halves[FxHalf.Fds];
  words[Word.FpuStub] = stub;
  run();
  words[FxWord.Fdp] = fdp;
  halves[FxHalf.Fds] = fds;
}

type Describe = (instruction: Instruction) => Recipe;

/** Without a helper there is no FPU: see `absentFpu`. */
function recipe(describe: Describe): Binder {
  return (instruction, _step, engine) => {
    const fpu = engine.cpu.hooks.fpu;
    if (fpu === undefined) return (cpu, s) => (checkX87(cpu), engine.unimplemented(s));
    return executeRecipe(instruction, fpu, describe(instruction));
  };
}

const hasMemory = (instruction: Instruction): boolean => instruction.memory !== undefined;

function memoryOperation(instruction: Instruction): readonly number[] {
  return x87Memory(encodingOf(instruction.form).opcode, (instruction.modRm >> 3) & 7);
}

/** FADD and its kin in all forms: memory, ST(0) with ST(i), ST(i) with ST(0), and then pop. */
function arithmetic(pops: 0 | 1): Binder {
  return recipe((instruction) => {
    if (hasMemory(instruction)) {
      return {
        ...plain,
        quick: [...loadSt(0), ...memoryOperation(instruction), ...TAKE_STATUS, ...storeSt(0)],
        valid: 1,
      };
    }
    const i = stackIndex(instruction);
    const { opcode } = encodingOf(instruction.form);
    const operation = [...loadSt(i), ...loadSt(0), opcode, withSt1(instruction.modRm), ...TAKE_STATUS];
    const toSt0 = opcode === 0xd8;
    const finish = pops > 0 ? storeSt(i) : toSt0 ? [...storeSt(0), ...DROP] : [...DROP, ...storeSt(i)];
    return { ...plain, quick: [...operation, ...finish], valid: 1 | (1 << i), pops };
  });
}

/** FCOM and its kin. @param eflags FCOMI and its kin: the result goes to EFLAGS, and the condition bits stay */
function comparison(pops: 0 | 1 | 2, eflags: boolean): Binder {
  return recipe((instruction) => {
    const finish = Array.from({ length: (hasMemory(instruction) ? 1 : 2) - pops }, () => DROP).flat();
    const conditions = eflags ? 0 : COMPARISON;
    if (hasMemory(instruction)) {
      const quick = [...loadSt(0), ...memoryOperation(instruction), ...TAKE_STATUS, ...finish];
      return { ...plain, quick, valid: 1, conditions, pops };
    }
    const i = stackIndex(instruction);
    const { opcode } = encodingOf(instruction.form);
    const operation = [opcode, withSt1(instruction.modRm)];
    const taken = [...(eflags ? TAKE_FLAGS : []), ...TAKE_STATUS];
    const quick = [...loadSt(i), ...loadSt(0), ...operation, ...taken, ...finish];
    return { ...plain, quick, valid: 1 | (1 << i), conditions, pops, flags: eflags };
  });
}

/** One register operand, ST(0), replaced by the result. */
function unary(conditions: number): Binder {
  return recipe((instruction) => ({
    ...plain,
    quick: [...loadSt(0), encodingOf(instruction.form).opcode, instruction.modRm, ...TAKE_STATUS, ...storeSt(0)],
    valid: 1,
    conditions,
  }));
}

/** ST(0) and ST(1): the result replaces ST(0), or ST(1) and ST(0) is popped. */
function binary(conditions: number, pops: 0 | 1): Binder {
  return recipe((instruction) => {
    const operation = [...loadSt(1), ...loadSt(0), encodingOf(instruction.form).opcode, instruction.modRm];
    const finish = pops > 0 ? storeSt(1) : [...storeSt(0), ...DROP];
    return { ...plain, quick: [...operation, ...TAKE_STATUS, ...finish], valid: 3, conditions, pops };
  });
}

/** A constant, or a memory operand in another format than the registers'. */
const load: Describe = (instruction) => {
  const operation = hasMemory(instruction)
    ? memoryOperation(instruction)
    : [encodingOf(instruction.form).opcode, instruction.modRm];
  return { ...plain, quick: [...operation, ...TAKE_STATUS, ...storeSt(0)], pushes: true };
};

function store(pops: 0 | 1): Describe {
  return (instruction) => {
    const finish = pops > 0 ? [] : DROP;
    const quick = [...loadSt(0), ...memoryOperation(instruction), ...TAKE_STATUS, ...finish];
    return { ...plain, quick, valid: 1, pops, stores: true };
  };
}

/** What only the exact stub does: two results, or a meaning that only the processor knows. */
const exactOnly: Describe = () => plain;

/**
 * An instruction that only moves registers: `move` does it when the registers in `valid` are valid (and with `pushes` ST(7) is empty);
 * a stack fault goes the exact way. None of them looks at the values, so there is no other exception.
 */
function moving(move: (i: number) => (cpu: Vcpu) => void, valid: (i: number) => number, pushes = false): Binder {
  return (instruction, step, engine) => {
    const fpu = engine.cpu.hooks.fpu;
    if (fpu === undefined) return recipe(exactOnly)(instruction, step, engine);
    const i = stackIndex(instruction);
    const doIt = move(i);
    const wanted = valid(i);
    const relevant = wanted | (pushes ? NEXT : 0);
    // FLD ST(7) pushes onto its own source: a stack fault in any case
    const isFault = pushes && (wanted & NEXT) !== 0;
    const fop = ((encodingOf(instruction.form).opcode & 7) << 8) | instruction.modRm;
    const flags = instruction.form.mnemonic === 'FCMOVCC';
    const exact = executeRecipe(instruction, fpu, { ...plain, flags });
    return (cpu, s) => {
      checkX87(cpu);
      if (pendingException(cpu, s)) return;
      if (isFault || (validMask(cpu) & relevant) !== wanted) {
        exact(cpu, s);
        return;
      }
      doIt(cpu);
      noteInstruction(cpu, s, fop);
    };
  };
}

function clearC1(cpu: Vcpu): void {
  cpu.halves[FxHalf.Fsw] &= ~Fsw.C1;
}

const valid0 = (): number => 1;
const valid0AndI = (i: number): number => 1 | (1 << i);

const exchange = moving(
  (i) => (cpu) => {
    const words = cpu.words;
    const other = slot(i);
    for (let k = 0; k < 3; k++) {
      const kept = words[FxWord.St + k];
      words[FxWord.St + k] = words[other + k];
      words[other + k] = kept;
    }
    clearC1(cpu);
  },
  valid0AndI,
);

const loadRegister = moving(
  (i) => (cpu) => {
    push(cpu);
    copySlot(cpu, FxWord.St, slot((i + 1) & 7));
    clearC1(cpu);
  },
  (i) => 1 << i,
  true,
);

function storeRegister(pops: boolean): Binder {
  return moving(
    (i) => (cpu) => {
      copySlot(cpu, slot(i), FxWord.St);
      setValid(cpu, i, true);
      clearC1(cpu);
      if (pops) pop(cpu);
    },
    valid0,
  );
}

/** Bit 15 of the third word of ST(0). */
const SIGN = 0x8000;

const changeSign = moving(
  () => (cpu) => {
    cpu.words[FxWord.St + 2] ^= SIGN;
    clearC1(cpu);
  },
  valid0,
);

const absolute = moving(
  () => (cpu) => {
    cpu.words[FxWord.St + 2] &= ~SIGN;
    clearC1(cpu);
  },
  valid0,
);

const conditionalMove: Binder = (instruction, step, engine) => {
  const code = instruction.form.condition;
  return moving(
    (i) => (cpu) => {
      if (condition(cpu, code)) copySlot(cpu, FxWord.St, slot(i));
    },
    valid0AndI,
  )(instruction, step, engine);
};

const constant = recipe(load);

/** FLD m80: a copy, which raises nothing but a stack overflow, whatever the bits are. */
const loadExtended: Binder = (instruction, step, engine) => {
  const exact = recipe(load)(instruction, step, engine);
  if (engine.cpu.hooks.fpu === undefined) return exact;
  const fop = ((encodingOf(instruction.form).opcode & 7) << 8) | instruction.modRm;
  return (cpu, s) => {
    checkX87(cpu);
    if (pendingException(cpu, s)) return;
    if ((validMask(cpu) & NEXT) !== 0) {
      exact(cpu, s);
      return;
    }
    const offset = effective(cpu, s);
    loadWords(cpu, linearRead(cpu, s.segment, offset, 10), 10, Word.FpuSource);
    push(cpu);
    copySlot(cpu, FxWord.St, Word.FpuSource);
    clearC1(cpu);
    noteInstruction(cpu, s, fop);
    noteOperand(cpu, s.segment, offset);
  };
};

/** FSTP m80: a copy as well. */
const storeExtended: Binder = (instruction, step, engine) => {
  const exact = recipe(store(1))(instruction, step, engine);
  if (engine.cpu.hooks.fpu === undefined) return exact;
  const fop = ((encodingOf(instruction.form).opcode & 7) << 8) | instruction.modRm;
  return (cpu, s) => {
    checkX87(cpu);
    if (pendingException(cpu, s)) return;
    if ((validMask(cpu) & 1) === 0) {
      exact(cpu, s);
      return;
    }
    const offset = effective(cpu, s);
    const linear = linearWrite(cpu, s.segment, offset, 10);
    cpu.mmu.probeWrite(linear, 10);
    storeWords(cpu, linear, 10, FxWord.St);
    clearC1(cpu);
    pop(cpu);
    noteInstruction(cpu, s, fop);
    noteOperand(cpu, s.segment, offset);
  };
};

const bindLoad: Binder = (instruction, step, engine) => {
  if (!hasMemory(instruction)) return loadRegister(instruction, step, engine);
  return (instruction.operands[0].size === 10 ? loadExtended : recipe(load))(instruction, step, engine);
};

function bindStore(pops: 0 | 1): Binder {
  return (instruction, step, engine) => {
    if (!hasMemory(instruction)) return storeRegister(pops > 0)(instruction, step, engine);
    return (instruction.operands[0].size === 10 ? storeExtended : recipe(store(pops)))(instruction, step, engine);
  };
}

/** A control instruction on the stack's bookkeeping: waits, but leaves the pointers alone (SDM 1, "x87 FPU Control Instructions"). */
function bookkeeping(change: (cpu: Vcpu, i: number) => void): Binder {
  return (instruction, step, engine) => {
    if (engine.cpu.hooks.fpu === undefined) return recipe(exactOnly)(instruction, step, engine);
    const i = stackIndex(instruction);
    return (cpu, s) => {
      checkX87(cpu);
      if (!pendingException(cpu, s)) change(cpu, i);
    };
  };
}

const none = arithmetic(0);
const popping = arithmetic(1);
const transcendental = unary(Fsw.C1 | Fsw.C2);
const one = unary(Fsw.C1);
const two = recipe(exactOnly);
const integerStore = recipe(store(0));
const integerStorePop = recipe(store(1));

export const fpuBinders = {
  ...fpuControlBinders,
  FADD: none,
  FMUL: none,
  FSUB: none,
  FSUBR: none,
  FDIV: none,
  FDIVR: none,
  FIADD: none,
  FIMUL: none,
  FISUB: none,
  FISUBR: none,
  FIDIV: none,
  FIDIVR: none,
  FADDP: popping,
  FMULP: popping,
  FSUBP: popping,
  FSUBRP: popping,
  FDIVP: popping,
  FDIVRP: popping,
  FCOM: comparison(0, false),
  FCOMP: comparison(1, false),
  FCOMPP: comparison(2, false),
  FUCOM: comparison(0, false),
  FUCOMP: comparison(1, false),
  FUCOMPP: comparison(2, false),
  FICOM: comparison(0, false),
  FICOMP: comparison(1, false),
  FCOMI: comparison(0, true),
  FCOMIP: comparison(1, true),
  FUCOMI: comparison(0, true),
  FUCOMIP: comparison(1, true),
  FTST: unary(COMPARISON),
  FXAM: unary(COMPARISON),
  FSQRT: one,
  FRNDINT: one,
  F2XM1: one,
  FSIN: transcendental,
  FCOS: transcendental,
  FPTAN: two,
  FSINCOS: two,
  FXTRACT: two,
  // after an invalid operation their condition bits are those from before
  FPREM: two,
  FPREM1: two,
  FSCALE: binary(Fsw.C1, 0),
  FPATAN: binary(Fsw.C1, 1),
  FYL2X: binary(Fsw.C1, 1),
  FYL2XP1: binary(Fsw.C1, 1),
  FLD1: constant,
  FLDL2T: constant,
  FLDL2E: constant,
  FLDPI: constant,
  FLDLG2: constant,
  FLDLN2: constant,
  FLDZ: constant,
  FILD: recipe(load),
  FBLD: recipe(load),
  FIST: integerStore,
  FISTP: integerStorePop,
  FISTTP: integerStorePop,
  FBSTP: integerStorePop,
  FLD: bindLoad,
  FST: bindStore(0),
  FSTP: bindStore(1),
  // an alias of FSTP ST(i) that does not mind an empty ST(0): what it stores then, the processor knows
  FSTPNCE: two,
  FXCH: exchange,
  FCHS: changeSign,
  FABS: absolute,
  FCMOVCC: conditionalMove,
  FFREE: bookkeeping((cpu, i) => {
    setValid(cpu, i, false);
    clearC1(cpu);
  }),
  FFREEP: bookkeeping((cpu, i) => {
    setValid(cpu, i, false);
    clearC1(cpu);
    pop(cpu);
  }),
  FINCSTP: bookkeeping((cpu) => {
    incrementTop(cpu);
    clearC1(cpu);
  }),
  FDECSTP: bookkeeping((cpu) => {
    decrementTop(cpu);
    clearC1(cpu);
  }),
  FNOP: bookkeeping(() => undefined),
} satisfies Record<X87Mnemonic, Binder>;
