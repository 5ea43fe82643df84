/**
 * The VMI ROM at work: what happens when the guest runs a VMCALL of the image. The interpreter tells where in the ROM the VMCALL
 * stands; that is the call's number, and a handler from the call table does the rest on the vCPU.
 *
 * Contract with the caller of `call`: the guest is at CPL 0, EIP is behind the VMCALL. A `GuestFault` leaves the registers as they
 * were (but for the progress of string transfers), and the caller delivers it with EIP at the VMCALL. Calls clobber no more than the ABI
 * allows: EAX, ECX, EDX and flags at most. A breach of the ROM's contract throws `GuestKilled`, which ends the machine.
 * Read before: `calls.ts`, `image.ts`. Read after: the handler files, `interrupt.ts` first.
 */
import { ConfigError } from '../errors.js';
import type { PhysMemory } from '../memory/phys.js';
import { add64 } from '../vcpu/counters.js';
import { Word } from '../vcpu/layout.js';
import type { RomGate, Vcpu } from '../vcpu/vcpu.js';
import { GuestFault, Vector } from '../x86/vectors.js';
import { calls } from './calls.js';
import type { Handler, LinearMapping, RomContext, RomServices } from './context.js';
import { buildImage, ROM_BYTES, slotName } from './image.js';
import { LINEAR_MAP_SLOTS } from './mmu.js';
import { PageTypes } from './pageTypes.js';
import { answerRelocation } from './relocation.js';
import { INIT_SLOT, RELOC_SLOT, slotOffset, SLOTS_OFFSET, SLOT_COUNT, SLOT_SHIFT, VMCALL_BYTES } from './slots.js';
import { Alarms } from './time.js';

/** Where the image goes unless told otherwise: behind the place of a VGA BIOS. */
export const ROM_BASE = 0xc8000;

// Guests probe this range in steps of 2 KiB (Linux: probe_vmi_rom()).
const PROBE_START = 0xc0000;
const PROBE_END = 0xe0000;

const PAGE_BYTES = 4096;

/** Calls kept for crash reports, and words kept of each: slot + 1 (0 = none yet), EIP, ESP, EAX. */
const RING_CALLS = 16;
const RING_WORDS = 4;

/** One of the last calls before a crash. All values are those at the VMCALL. */
export interface RecentCall {
  readonly name: string;
  /** Behind the VMCALL, in the guest's address space. */
  readonly eip: number;
  readonly esp: number;
  readonly eax: number;
}

export class Rom implements RomGate, RomContext {
  readonly cpu: Vcpu;
  readonly words: Int32Array;
  readonly services: RomServices;
  readonly pageTypes: PageTypes;
  readonly alarms: Alarms;
  readonly linearMappings: (LinearMapping | undefined)[] = Array.from({ length: LINEAR_MAP_SLOTS }, () => undefined);
  /** Physical address of the image; meaningful after `place`. */
  base = ROM_BASE;
  readonly sizeBytes = ROM_BYTES;
  /** True once the guest has called vmi_init. */
  active = false;

  private readonly _handlers: (Handler | undefined)[] = Array.from({ length: SLOT_COUNT }, () => undefined);
  private readonly _ring = new Int32Array(RING_CALLS * RING_WORDS);
  private _next = 0;
  private _slot = 0;

  /** @param ramBytes size of guest RAM, for the page types. */
  constructor(cpu: Vcpu, services: RomServices, ramBytes: number) {
    this.cpu = cpu;
    this.words = cpu.words;
    this.services = services;
    this.pageTypes = new PageTypes(Math.floor(ramBytes / PAGE_BYTES));
    this.alarms = new Alarms(services);
    for (const call of calls) this._handlers[call.number] = call.handler;
    this._handlers[INIT_SLOT] = () => this._initialize();
    this._handlers[RELOC_SLOT] = () => answerRelocation(this.words, this._linear(RELOC_SLOT));
  }

  /**
   * Puts the image into guest memory, read-only to the guest.
   * @param base physical address: a multiple of 4096 between 0xC0000 and 0xDF000.
   * @throws ConfigError ROM_BASE for any other.
   */
  place(phys: PhysMemory, base = ROM_BASE): void {
    if (base < PROBE_START || base + ROM_BYTES > PROBE_END || base % PAGE_BYTES !== 0) {
      throw new ConfigError(
        'ROM_BASE',
        `the ROM cannot be placed at 0x${base.toString(16)}: guests look for it from 0x${PROBE_START.toString(16)} to ` +
          `0x${PROBE_END.toString(16)}, and it takes one page: choose a multiple of 0x1000 in that range`,
      );
    }
    this.base = base;
    phys.load(base, buildImage());
    phys.addReadOnly(base, ROM_BYTES);
  }

  call(offset: number): void {
    const slot = (offset - SLOTS_OFFSET) >> SLOT_SHIFT;
    const handler = offset < SLOTS_OFFSET || slot >= SLOT_COUNT ? undefined : this._handlers[slot];
    // A VMCALL anywhere else is not ours: the guest has jumped into the middle of something.
    if (handler === undefined || (offset & ((1 << SLOT_SHIFT) - 1)) !== 0) throw new GuestFault(Vector.UD, undefined);
    this._slot = slot;
    const words = this.words;
    const ring = this._ring;
    const at = this._next * RING_WORDS;
    this._next = (this._next + 1) % RING_CALLS;
    ring[at] = slot + 1;
    ring[at + 1] = words[Word.Eip];
    ring[at + 2] = words[Word.Esp];
    ring[at + 3] = words[Word.Eax];
    add64(words, Word.RomCalls + 2 * slot, 1);
    handler(this);
  }

  countExits(exits: number): void {
    add64(this.words, Word.RomExits + 2 * this._slot, exits);
  }

  /** The last calls, oldest first: at most 16. */
  recentCalls(): RecentCall[] {
    const recent: RecentCall[] = [];
    for (let index = 0; index < RING_CALLS; index++) {
      const at = ((this._next + index) % RING_CALLS) * RING_WORDS;
      const [slotPlusOne, eip, esp, eax] = this._ring.subarray(at, at + RING_WORDS);
      if (slotPlusOne === 0) continue;
      recent.push({ name: slotName(slotPlusOne - 1), eip: eip >>> 0, esp: esp >>> 0, eax: eax >>> 0 });
    }
    return recent;
  }

  /** vmi_init: EAX = 0 tells success. Nothing else changes: the kernel stays at CPL 0 and its address space is all its own. */
  private _initialize(): void {
    this.active = true;
    this.words[Word.Eax] = 0;
  }

  /** Linear address at which the guest sees the ROM, told by where it runs the VMCALL of `slot`. */
  private _linear(slot: number): number {
    return (this.words[Word.Eip] - VMCALL_BYTES - slotOffset(slot)) | 0;
  }
}
