/**
 * What passes between the translator's front end and its engine: the request, the fragment, and the rules that both sides and the
 * stubs keep. A fragment is host code for a run of guest instructions of one page, entered at its first instruction only; an instruction
 * that crosses into the next page is a fragment of its own.
 *
 * Host registers at instruction boundaries: rax rcx rdx rbx rsp rbp rsi rdi hold the guest registers of the same numbers, zero-extended;
 * r15 the state block, r14 the jump table of the window, r13 the code base, r12 the window base, a multiple of 4 GiB, which is the GS base as
 * well; r8 to r11 are scratch. The host's arithmetic flags and DF are the guest's. While translated code runs, `Word.Eflags` holds no arithmetic flag, no DF
 * and not bit 1 (all 0): the entry takes them out, the exit stub puts them back.
 *
 * An EIP is an int32 everywhere.
 *
 * Read before: `../x86/instruction.ts`, `../vcpu/layout.ts`. Read after: `frontend.ts`.
 */
import { maxInstructionBytes, type ByteSource } from '../x86/decode.js';

/** What the engine wants translated. CS, DS, ES and SS are flat, the code segment is 32 bits wide, TF is 0. */
export interface TranslationRequest {
  /** First instruction: offset in CS and linear address. */
  readonly eip: number;
  /** Bytes from `eip` on; asked for at most `bytesLeftInPage`. */
  readonly source: ByteSource;
  /** Bytes from `eip` to the end of its page, 1 to 4096. */
  readonly bytesLeftInPage: number;
  /** The linear page behind, from its start on; undefined where code cannot be fetched from it now. Asked for the first instruction only. */
  readonly nextPage: () => ByteSource | undefined;
  readonly cpl: number;
  /** SSE instructions may run: CR4.OSFXSR is 1. What CR0 says is asked when the fragment runs (`Word.FpuUsable`). */
  readonly xmmUsable: boolean;
  /** @returns the ROM slot (`../rom/slots.ts`) that begins at a linear address, or undefined */
  readonly romSlotAt: (linear: number) => number | undefined;
  /** The guest's IF is `Word.InterruptFlag` and nothing else (`Strategy.VirtualMask`), so that CPL 0 may change it in place. */
  readonly virtualMask: boolean;
  /** Sensitive instructions at CPL 0 trap: a fragment that ends before one of them ends in an instruction that faults on the host. */
  readonly trapsSensitive: boolean;
  /** Most guest instructions of one fragment; 1 for one-instruction fragments. */
  readonly maxInstructions: number;
}

/**
 * From `hostOffset` to the next entry's the code belongs to the guest instruction at `guestEip`. Where that code can fault, the low halves of
 * the host registers are the guest's registers from before the instruction, but for ESP; or for a repeated string instruction those of the
 * iteration.
 */
export interface SideEntry {
  readonly hostOffset: number;
  readonly guestEip: number;
  /** What the guest's ESP is ahead of the host's there: pushes and pops in a row move the host's once, behind the last of them. */
  readonly espDelta: number;
}

/** Words of a side entry in `Fragment.side`, in the order of its fields. */
export const SIDE_WORDS = 3;

/**
 * Whether an instruction at `eip` can cross into the next page. Such places are reached through the jump table only, never by a chain, so
 * that what stands there can be given up when one of the two pages changes, or is another one.
 */
export function mayCross(eip: number): boolean {
  return (eip & 0xfff) > 0x1000 - maxInstructionBytes;
}

/** Where a rel32 of a fragment leads. The last four are stubs of `stubs.ts`. */
export const enum LinkKind {
  /** The fragment at `targetEip`, in the same guest page; until that exists to `missOffset` of this fragment. */
  Chain,
  Miss,
  Attention,
  Interpret,
  FpuLoad,
}

export interface Link {
  /** Offset of the rel32 in `Fragment.code`; it counts from its own end. */
  readonly hostOffset: number;
  readonly kind: LinkKind;
  /** `Chain` only, else 0. */
  readonly targetEip: number;
  /** `Chain`: code of this fragment that loads r8d with the target and goes to the miss stub. What the rel32 says as it comes. */
  readonly missOffset: number;
}

/** Words of a link in `Fragment.links`, in the order of its fields. */
export const LINK_WORDS = 4;

/** The instruction that a fragment ends before, as the interpreter has to run it. */
export interface Interpreted {
  readonly guestEip: number;
  /** Its mnemonic, or in parentheses why it has none. */
  readonly mnemonic: string;
  /** The fragment traps there (`trapsSensitive`). */
  readonly traps: boolean;
}

/** Arrays of a fragment may be views of what the next translation writes to: whoever keeps them copies them. */
export interface Fragment {
  /** Position-independent but for the links that are not `Chain`. */
  readonly code: Uint8Array;
  /** EIP of the first instruction, and the one behind the last. */
  readonly guestStart: number;
  readonly guestEnd: number;
  /** Bytes from `guestStart` on that decided what the fragment is: those of its instructions, and what was looked at behind the last one. */
  readonly bytesRead: number;
  /** It is one instruction, whose bytes end in the next linear page: it stands for both physical pages and may not be chained to. */
  readonly crosses: boolean;
  /** Guest instructions translated, those left to the interpreter not counted. */
  readonly instructions: number;
  /** x87, MMX or SSE instructions are in it. */
  readonly usesFpu: boolean;
  /** SSE instructions are in it: translated under `xmmUsable`. */
  readonly usesXmm: boolean;
  /**
   * Where a chain from a fragment with `usesFpu` may enter: behind the check that the FPU state is loaded. 0 when `usesFpu` is false. A
   * fragment with `usesFpu` has the state loaded at all its links.
   */
  readonly liveEntry: number;
  /**
   * Side entries (`sideOf`), sorted by host offset; the first is at 0 and covers the prologue. Code behind the last one's instruction is exits
   * only.
   */
  readonly side: Int32Array;
  /** Links (`linksOf`). */
  readonly links: Int32Array;
  readonly interpreted: Interpreted | undefined;
  /** The first instruction is left to the interpreter: entering the fragment does nothing else. */
  readonly interpretsFirst: boolean;
}

export function sideOf({ side }: Fragment): SideEntry[] {
  const entries: SideEntry[] = [];
  for (let at = 0; at < side.length; at += SIDE_WORDS)
    entries.push({ hostOffset: side[at], guestEip: side[at + 1], espDelta: side[at + 2] });
  return entries;
}

export function linksOf({ links }: Fragment): Link[] {
  const list: Link[] = [];
  for (let at = 0; at < links.length; at += LINK_WORDS)
    list.push({ hostOffset: links[at], kind: links[at + 1], targetEip: links[at + 2], missOffset: links[at + 3] });
  return list;
}
