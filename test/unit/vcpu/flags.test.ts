/** Lazy flags against their definitions (SDM 1, "Status Flags"), and the rules of reading and writing EFLAGS. */
import assert from 'node:assert/strict';
import { Mmu } from '../../../src/memory/mmu.js';
import { PhysMemory } from '../../../src/memory/phys.js';
import {
  ARITHMETIC_FLAGS,
  Eflag,
  Lazy,
  NO_FETCH_PAGE,
  arithmeticFlags,
  condition,
  getEflags,
  setArithmeticFlags,
  setEflags,
  settle,
} from '../../../src/vcpu/flags.js';
import { Attention, STATE_BYTES, Word } from '../../../src/vcpu/layout.js';
import { Vcpu } from '../../../src/vcpu/vcpu.js';
import { Flag } from '../../../src/x86/form.js';

function makeCpu(): Vcpu & { pic: { requested: boolean; acknowledge: () => number } } {
  const block = new SharedArrayBuffer(STATE_BYTES);
  const cpu = new Vcpu(block, new Mmu(new PhysMemory(new SharedArrayBuffer(0x100000)), new Int32Array(block)));
  const pic = { requested: false, acknowledge: () => 0 };
  cpu.hooks = {
    ports: { read: () => 0, write: () => undefined },
    pic,
    rom: { call: () => undefined },
    tsc: { cyclesHz: 1e9, cycles: () => 0 },
  };
  return Object.assign(cpu, { pic });
}

const cpu = makeCpu();

/** The six flags of a byte addition or subtraction, from the definitions. */
function defined(a: number, b: number, carry: number, subtract: boolean): number {
  const signed = (value: number): number => (value << 24) >> 24;
  const exact = subtract ? a - b - carry : a + b + carry;
  const exactSigned = subtract ? signed(a) - signed(b) - carry : signed(a) + signed(b) + carry;
  const low = subtract ? (a & 15) - (b & 15) - carry : (a & 15) + (b & 15) + carry;
  const result = exact & 0xff;
  let ones = 0;
  for (let bit = 0; bit < 8; bit++) ones += (result >> bit) & 1;
  return (
    (exact < 0 || exact > 0xff ? Flag.CF : 0) |
    (ones % 2 === 0 ? Flag.PF : 0) |
    (low < 0 || low > 15 ? Flag.AF : 0) |
    (result === 0 ? Flag.ZF : 0) |
    (result >= 0x80 ? Flag.SF : 0) |
    (exactSigned < -128 || exactSigned > 127 ? Flag.OF : 0)
  );
}

/** Sets the lazy state of an operation on `32 - shift` bits whose operands are byte values moved to the top. */
function setLazy(kind: Lazy, shift: number, a: number, b: number, carry: number, subtract: boolean): void {
  const extend = (value: number): number => (value << shift) >> shift;
  cpu.lazyOp = kind | shift;
  cpu.lazySource = extend(b);
  cpu.lazyResult = extend(subtract ? a - b - carry : a + b + carry);
}

describe('lazy flags', () => {
  const kinds = [
    { name: 'addition', kind: Lazy.Add, carry: 0, subtract: false },
    { name: 'addition with carry', kind: Lazy.AddCarry, carry: 1, subtract: false },
    { name: 'subtraction', kind: Lazy.Sub, carry: 0, subtract: true },
    { name: 'subtraction with borrow', kind: Lazy.SubBorrow, carry: 1, subtract: true },
  ];
  for (const { name, kind, carry, subtract } of kinds) {
    it(`of an ${name} match their definitions for all bytes`, () => {
      for (let a = 0; a < 256; a++) {
        for (let b = 0; b < 256; b++) {
          setLazy(kind, 24, a, b, carry, subtract);
          assert.equal(arithmeticFlags(cpu), defined(a, b, carry, subtract), `${a} ${b}`);
        }
      }
    });

    it(`of an ${name} have the carries and signs of wider operands`, () => {
      for (const shift of [0, 16]) {
        const up = 24 - shift;
        for (let a = 0; a < 256; a += 5) {
          for (let b = 0; b < 256; b += 3) {
            // the carry enters at the bottom: all-ones below the top byte of one operand pass it on
            const fill = (1 << up) - 1;
            const first = (a << up) | (carry === 1 && !subtract ? fill : 0);
            const second = (b << up) | (carry === 1 && subtract ? fill : 0);
            setLazy(kind, shift, first, second, carry, subtract);
            const wanted = defined(a, b, carry, subtract) & (Flag.CF | Flag.OF | Flag.SF);
            assert.equal(arithmeticFlags(cpu) & (Flag.CF | Flag.OF | Flag.SF), wanted, `${a} ${b} ${shift}`);
          }
        }
      }
    });
  }

  it('settle into EFLAGS and stay the same', () => {
    setLazy(Lazy.Sub, 0, 1, 2, 0, true);
    const lazy = arithmeticFlags(cpu);
    settle(cpu);
    assert.equal(cpu.lazyOp, Lazy.Settled);
    assert.equal(arithmeticFlags(cpu), lazy);
    assert.equal(cpu.words[Word.Eflags] & ARITHMETIC_FLAGS, lazy);
  });

  it('can be replaced one by one', () => {
    setLazy(Lazy.Sub, 0, 1, 2, 0, true);
    setArithmeticFlags(cpu, 0, Flag.CF);
    assert.equal(arithmeticFlags(cpu), Flag.SF | Flag.PF | Flag.AF);
  });
});

describe('condition', () => {
  it('evaluates all sixteen codes for all flag combinations', () => {
    for (let bits = 0; bits < 32; bits++) {
      const [c, z, s, o, p] = [bits & 1, bits & 2, bits & 4, bits & 8, bits & 16].map((bit) => bit !== 0);
      setArithmeticFlags(
        cpu,
        (c ? Flag.CF : 0) | (z ? Flag.ZF : 0) | (s ? Flag.SF : 0) | (o ? Flag.OF : 0) | (p ? Flag.PF : 0),
        ARITHMETIC_FLAGS,
      );
      const even = [o, c, z, c || z, s, p, s !== o, z || s !== o];
      for (let code = 0; code < 16; code++) {
        assert.equal(condition(cpu, code), (code & 1) === 0 ? even[code >> 1] : !even[code >> 1], `${bits} ${code}`);
      }
    }
  });
});

describe('EFLAGS', () => {
  it('reads IF from its own word and bit 1 as 1', () => {
    setEflags(cpu, 0, -1);
    cpu.words[Word.InterruptFlag] = 1;
    assert.equal(getEflags(cpu), Eflag.IF | 2);
    assert.equal(cpu.words[Word.Eflags] & Eflag.IF, 0);
    cpu.words[Word.InterruptFlag] = 0;
    assert.equal(getEflags(cpu), 2);
  });

  it('changes only the bits of the mask, and only those that exist', () => {
    setEflags(cpu, 0, -1);
    setEflags(cpu, -1, Eflag.DF | Flag.CF);
    assert.equal(getEflags(cpu), Eflag.DF | Flag.CF | 2);
    setEflags(cpu, -1, ~(Eflag.IF | Eflag.VM));
    assert.equal(getEflags(cpu), 0x003f7fd7 & ~(Eflag.IF | Eflag.VM));
    setEflags(cpu, 0, -1);
    assert.equal(getEflags(cpu), 2);
  });

  it('asks for attention when IF goes up while the interrupt controller has a request', () => {
    cpu.words[Word.Attention] = 0;
    cpu.pic.requested = true;
    setEflags(cpu, Eflag.IF, Eflag.IF);
    assert.equal(cpu.words[Word.Attention], Attention.Interrupt);
    cpu.words[Word.Attention] = 0;
    setEflags(cpu, Eflag.IF, Eflag.IF);
    assert.equal(cpu.words[Word.Attention], 0, 'IF was up already');
    setEflags(cpu, 0, Eflag.IF);
    cpu.pic.requested = false;
    setEflags(cpu, Eflag.IF, Eflag.IF);
    assert.equal(cpu.words[Word.Attention], 0, 'nothing is requested');
    setEflags(cpu, 0, Eflag.IF);
  });

  it('sends the interpreter the slow way when TF or RF changes', () => {
    for (const flag of [Eflag.TF, Eflag.RF]) {
      cpu.fetchPage = 0x1000;
      setEflags(cpu, flag, flag);
      assert.equal(cpu.fetchPage, NO_FETCH_PAGE);
      setEflags(cpu, 0, flag);
    }
  });
});
