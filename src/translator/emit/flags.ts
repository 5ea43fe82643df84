/**
 * EFLAGS as a whole and the interrupt flag: PUSHF, POPF, CLI, STI. The arithmetic flags and DF are the host's; IF is a word, and the rest
 * stands in `Word.Eflags`, which holds nothing else while translated code runs. (SDM 2, one heading per mnemonic)
 * Read before: `string.ts`. Read after: `rom.ts`.
 */
import { Eflag } from '../../vcpu/flags.js';
import { Word } from '../../vcpu/layout.js';
import type { Mnemonic } from '../../x86/mnemonics.js';
import { Condition, Host } from '../asm64.js';
import { LinkKind } from '../fragment.js';
import type { Emit, Emitter, Plan } from './emitter.js';

/** CF, PF, AF, ZF, SF, OF and DF: what the host keeps for the guest. */
const HOST_FLAGS = 0xcd5;
/** What PUSHFQ of a host process shows besides: bit 1 and IF. */
const HOST_IF = 0x200;
const ALWAYS_ONE = 2;

/** r9d = EFLAGS as PUSHF stores it. RF and VM are 0 in translated code. No flag changes. */
const emitPushf: Emit = (emitter) => {
  const { asm } = emitter;
  asm.move64(Host.R8, Host.Rsp);
  asm.loadState64(Host.Rsp, Word.HostStack);
  asm.pushFlags();
  asm.pop64(Host.R9);
  asm.move64(Host.Rsp, Host.R8);
  // IF << 9, in steps of 3
  asm.loadState(Host.R10, Word.InterruptFlag);
  const times8 = { base: Host.None, index: Host.R10, scale: 3, displacement: 0 };
  asm.lea(Host.R10, times8);
  asm.lea(Host.R10, times8);
  asm.lea(Host.R9, { ...times8, base: Host.R9, displacement: -HOST_IF });
  asm.loadState(Host.R10, Word.Eflags);
  asm.lea(Host.R9, { base: Host.R9, index: Host.R10, scale: 0, displacement: 0 });
  emitter.store(emitter.stack(-4), Host.R9);
  emitter.moveStack(-4);
};

/** Leaves POPF to the interpreter, with the flags that `saveFlags` has put away. */
function leaveToInterpreter(emitter: Emitter): void {
  const { asm, eip } = emitter;
  const out = asm.jumpIf(Condition.NotEqual);
  emitter.later(() => {
    asm.bind(out);
    emitter.restoreFlags();
    emitter.leave(LinkKind.Interpret, eip);
  });
}

/** What makes a POPF the interpreter's business when it changes. */
const RARE = Eflag.TF | Eflag.NT | Eflag.AC | Eflag.ID;

/** Puts the flags on the host's stack from r9d; r9d is lost. */
function replaceSavedFlags({ asm }: Emitter): void {
  asm.andImmediate(Host.R9, HOST_FLAGS);
  asm.orImmediate(Host.R9, HOST_IF | ALWAYS_ONE);
  asm.storeTop64(Host.R9);
}

/** Takes the flags and the guest's stack pointer back, with the popped doubleword behind it. */
function finishPopf({ asm }: Emitter): void {
  asm.popFlags();
  asm.leaBase(Host.Rsp, Host.R8, 4);
}

function beginPopf(emitter: Emitter, compared: number): void {
  const { asm } = emitter;
  emitter.load(Host.R9, emitter.stack(0));
  emitter.saveFlags();
  asm.loadState(Host.R10, Word.Eflags);
  asm.xor(Host.R10, Host.R9);
  asm.testImmediate(Host.R10, compared);
  leaveToInterpreter(emitter);
}

/** POPF at CPL 0: IF changes with the rest, and an interrupt may be waiting for it. */
const emitPopfSystem: Emit = (emitter) => {
  const { asm, next } = emitter;
  beginPopf(emitter, RARE | Eflag.IOPL);
  asm.move(Host.R10, Host.R9);
  asm.shiftRight(Host.R10, 9);
  asm.andImmediate(Host.R10, 1);
  asm.storeState(Word.InterruptFlag, Host.R10);
  replaceSavedFlags(emitter);
  asm.negate(Host.R10);
  asm.loadState(Host.R11, Word.PicIrr);
  asm.orState(Host.R11, Word.PicLevels);
  asm.andState(Host.R11, Word.PicOpen);
  asm.and(Host.R11, Host.R10);
  const pending = asm.jumpIf(Condition.NotEqual);
  finishPopf(emitter);
  emitter.later(() => {
    asm.bind(pending);
    finishPopf(emitter);
    emitter.leave(LinkKind.Attention, next);
  });
};

/** POPF above CPL 0 with IOPL 0, so that IF stays. */
const emitPopfUser: Emit = (emitter) => {
  const { asm } = emitter;
  beginPopf(emitter, RARE);
  asm.testStateImmediate(Word.Eflags, Eflag.IOPL);
  leaveToInterpreter(emitter);
  replaceSavedFlags(emitter);
  finishPopf(emitter);
};

/** IF is more than a word under the other strategies, and at CPL 1 to 3 IOPL decides. */
const inPlace: (emit: Emit) => Plan = (emit) => {
  return (_instruction, { cpl, virtualMask }) => (cpl === 0 && virtualMask ? emit : undefined);
};

/**
 * With nothing waiting for IF, STI is a store: what comes later asks for attention itself, and is no earlier than the end of the shadow
 * for all that the guest can tell. Else the interpreter runs STI and the next instruction, and has the interrupt taken behind both.
 */
const emitSti: Emit = (emitter) => {
  emitter.checkInterrupts(emitter.flagsDead, emitter.eip, LinkKind.Interpret);
  emitter.asm.setState(Word.InterruptFlag, 1);
};

const planPushf: Plan = ({ operandSize }, { cpl, virtualMask }) =>
  operandSize === 4 && (cpl !== 0 || virtualMask) ? emitPushf : undefined;

const planPopf: Plan = ({ operandSize }, { cpl, virtualMask }) => {
  if (operandSize === 2 || (cpl === 0 && !virtualMask)) return undefined;
  return cpl === 0 ? emitPopfSystem : emitPopfUser;
};

export const flagPlans: Partial<Record<Mnemonic, Plan>> = {
  PUSHF: planPushf,
  POPF: planPopf,
  CLI: inPlace(({ asm }) => asm.setState(Word.InterruptFlag, 0)),
  STI: inPlace(emitSti),
};
