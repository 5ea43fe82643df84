/**
 * Random programs: what `sequence.ts` makes, within loops, in functions, and with stores into code that has run or will run. This is what
 * shows how a translator's fragments hang together. Flat 32-bit code only. Read before: `sequence.ts`. Read after: `fuzz.ts`.
 */
import { OperandKind } from '../../src/x86/instruction.js';
import type { Form } from '../../src/x86/form.js';
import { Key, type Override } from '../../test/vectors/state.js';
import { below, edgeValue, generator, once, pick, type Next } from '../../test/vectors/values.js';
import { CODE, DATA, DATA_MIDDLE, modes } from '../../test/vectors/world.js';
import { Encoder } from '../record-vectors/encode.js';
import { whyIncomparable } from '../record-vectors/undefined.js';
import { endingForms, flavours, little, openBehind, setup, type Item, type Sequence } from './sequence.js';

const FLAT = 0;
/** Where loops count: nothing that an operand is aimed at lies near. */
const COUNTERS = DATA + 0x100;
const MAX_DEPTH = 3;
const MAX_BYTES = 1600;
const MAX_TURNS = 12;

class Programmer {
  readonly items: Item[] = [];
  private readonly _encoder: Encoder;
  private readonly _steady: Encoder;
  private readonly _forms: readonly (readonly Form[])[];
  /** Items with an immediate that a store may change, by id. */
  private readonly _victims: number[] = [];
  private _nextId = 0;
  private _sizeBytes = 0;
  private _loops = 0;
  /** Flags that may be undefined now, and at items that branches go to. */
  private _open = 0;
  private readonly _joins = new Map<number, number>();

  constructor(
    private readonly _next: Next,
    readonly flavour: readonly (readonly Form[])[],
  ) {
    this._forms = flavour;
    this._encoder = new Encoder(_next, modes[FLAT]);
    this._steady = new Encoder(_next, modes[FLAT], { steady: true });
  }

  make(): readonly Item[] {
    const parts = 3 + below(this._next, 6);
    for (let part = 0; part < parts && this._sizeBytes < MAX_BYTES; part++) this._part(0);
    return this.items;
  }

  private _add(bytes: readonly number[], links: Pick<Item, 'branch' | 'store'> = {}): void {
    this.items.push({ bytes, id: this._nextId++, ...links });
    this._sizeBytes += bytes.length;
    const joined = this._joins.get(this._nextId);
    if (joined !== undefined) this._open |= joined;
  }

  private _part(depth: number): void {
    const next = this._next;
    const isDeep = depth >= MAX_DEPTH || this._sizeBytes > MAX_BYTES / 2;
    switch (below(next, isDeep ? 4 : 7)) {
      case 0:
        this._patch();
        break;
      case 1:
        this._victim();
        break;
      case 4:
        this._function(depth);
        break;
      case 5:
      case 6:
        this._loop(depth);
        break;
      default:
        this._block();
    }
  }

  private _body(depth: number): void {
    const parts = 1 + below(this._next, 3);
    for (let part = 0; part < parts; part++) this._part(depth + 1);
  }

  private _block(): void {
    const count = 1 + below(this._next, 8);
    for (let i = 0; i < count; i++) this._instruction();
  }

  /** One instruction, mostly with what gives its operands sense before it. */
  private _instruction(): void {
    const next = this._next;
    const form = pick(next, once(next, 150) ? endingForms : pick(next, this._forms));
    const encoded = (once(next, 2) ? this._steady : this._encoder).encode(form);
    if (encoded === undefined || whyIncomparable(encoded.instruction, encoded.bytes) !== undefined) return;
    if ((form.flagsRead & this._open) !== 0) return;
    for (const override of encoded.overrides) {
      const bytes = setup(override, modes[FLAT]);
      if (bytes !== undefined) this._add(bytes);
    }
    const { instruction } = encoded;
    const relative = instruction.operands.find(({ kind }) => kind === OperandKind.Relative);
    if (relative === undefined) {
      this._add([...encoded.bytes]);
    } else {
      const to = this._nextId + 1 + below(next, 5);
      this._add([...encoded.bytes], { branch: { to, sizeBytes: relative.size } });
      this._joins.set(to, (this._joins.get(to) ?? 0) | this._open);
    }
    this._open = openBehind(this._open, instruction);
  }

  /** MOV or an operation with an immediate of four bytes, for `_patch`. */
  private _victim(): void {
    const next = this._next;
    const register = pick(next, [0, 2, 3]);
    this._victims.push(this._nextId);
    if (once(next, 2)) this._add([0xb8 + register, ...little(edgeValue(next), 4)]);
    else {
      this._add([0x81, 0xc0 | (pick(next, [0, 5, 6, 7]) << 3) | register, ...little(edgeValue(next), 4)]);
      this._open = 0;
    }
  }

  /** Changes code: mostly an immediate of a victim, now and then a byte of whatever comes next. */
  private _patch(): void {
    const next = this._next;
    const known = this._victims.length > 0 && !once(next, 3);
    const to = known ? pick(next, this._victims) : this._nextId + 1 + below(next, 4);
    const offset = known ? 2 + below(next, 3) : 0;
    // NOP to XCHG, or anything
    const value = known || once(next, 20) ? next() & 0xff : 0x90 + below(next, 8);
    switch (below(next, 3)) {
      case 0:
        // mov byte [code], value
        this._add([0xc6, 0x05, 0, 0, 0, 0, value], { store: { to, offset, addressAt: 2 } });
        break;
      case 1:
        // inc byte [code], of a victim; of anything else it would make what nobody has chosen
        if (!known) return;
        this._add([0xfe, 0x05, 0, 0, 0, 0], { store: { to, offset, addressAt: 2 } });
        this._open = 0;
        break;
      default:
        // mov [code], al
        this._add(known ? [0x88, 0x05, 0, 0, 0, 0] : [0xc6, 0x05, 0, 0, 0, 0, value], {
          store: { to, offset, addressAt: 2 },
        });
    }
  }

  /** A loop that counts in memory, so that its body may use all registers. */
  private _loop(depth: number): void {
    const next = this._next;
    const counter = little(COUNTERS + 4 * this._loops++, 4);
    // mov dword [counter], turns
    this._add([0xc7, 0x05, ...counter, ...little(1 + below(next, MAX_TURNS), 4)]);
    const head = this._nextId;
    this._body(depth);
    // sub dword [counter], 1; jg head: who jumps into a loop finds a counter below 0
    this._add([0x83, 0x2d, ...counter, 1]);
    this._add([0x0f, 0x8f, 0, 0, 0, 0], { branch: { to: head, sizeBytes: 4 } });
    this._open = 0;
  }

  /** A function, jumped over, and calls of it, straight or through a register. */
  private _function(depth: number): void {
    const next = this._next;
    const over = this.items.length;
    this._add([0xe9, 0, 0, 0, 0]);
    const entry = this._nextId;
    this._body(depth);
    // cmp eax, edx: no flag is undefined behind the return
    this._add([0x39, 0xd0]);
    this._add(once(next, 4) ? [0xc2, 4, 0] : [0xc3]);
    this.items[over] = { ...this.items[over], branch: { to: this._nextId, sizeBytes: 4 } };
    const calls = 1 + below(next, 2);
    for (let call = 0; call < calls; call++) {
      this._add([0xe8, 0, 0, 0, 0], { branch: { to: entry, sizeBytes: 4 } });
      this._open = 0;
      this._instruction();
    }
  }
}

/** Makes the program of a seed. */
export function makeProgram(seed: number): Sequence {
  const next = generator(seed);
  const flavour = pick(next, flavours);
  const items = new Programmer(next, flavour).make();
  const overrides: Override[] = [];
  for (const register of [3, 5, 6, 7]) {
    if (once(next, 2)) overrides.push({ key: register, linear: 0, value: DATA_MIDDLE - 0x40 + below(next, 0x80) });
  }
  if (once(next, 60)) overrides.push({ key: Key.Eflags, linear: 0, value: (next() & 0x8d5) | 0x40202 });
  const start = CODE + (once(next, 3) ? 0x1000 - below(next, 200) : 0x100);
  return { seed, mode: FLAT, start, items, overrides, fpu: flavour.length > 1 };
}
