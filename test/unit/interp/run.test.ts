/** The interpreter's loop: when it stops, what it counts, faults and their restart, single steps, shadows, changing code. */
import assert from 'node:assert/strict';
import { UnimplementedInstruction } from '../../../src/interp/unimplemented.js';
import { Eflag } from '../../../src/vcpu/flags.js';
import { Attention, ExitReason, Word } from '../../../src/vcpu/layout.js';
import { Cr0 } from '../../../src/x86/control.js';
import { Vector } from '../../../src/x86/vectors.js';
import { CODE, DATA, ROM_START, STACK_TOP, TestMachine, d } from './machine.js';

const HANDLER = 0x18000;
const INC_EAX = 0x40;
const INC_EDX = 0x42;
const HLT = 0xf4;
const NOP = 0x90;

let m: TestMachine;
beforeEach(() => {
  m = new TestMachine();
});

/** The exception frame's words from ESP upwards. */
function frame(count: number): number[] {
  return Array.from({ length: count }, (_, i) => m.phys.read32((m.words[Word.Esp] >>> 0) + i * 4));
}

describe('Interpreter.run', () => {
  it('retires as many instructions as it may and counts them', () => {
    assert.equal(m.run([INC_EAX, INC_EAX, INC_EAX, INC_EAX, 0xeb, 0xfa], 1000), 1000);
    assert.equal(m.words[Word.Eax], 800);
    assert.equal(m.words[Word.Instructions], 1000);
  });

  it('carries the counter into its high word', () => {
    m.words[Word.Instructions] = -1;
    m.run([NOP, NOP], 2);
    assert.deepEqual([m.words[Word.Instructions], m.words[Word.Instructions + 1]], [1, 1]);
  });

  it('stops before the next instruction when attention is asked for', () => {
    m.words[Word.Attention] = Attention.Device;
    assert.equal(m.run([INC_EAX], 10), 0);
    assert.equal(m.words[Word.Eip], CODE);
  });

  it('stops behind HLT with the vCPU halted', () => {
    assert.equal(m.run([INC_EAX, HLT, INC_EAX], 10), 2);
    assert.deepEqual([m.words[Word.Halted], m.words[Word.Eip], m.words[Word.Eax]], [1, CODE + 2, 1]);
    assert.equal(m.interpreter.run(10), 0);
  });

  it('stops when a port write ends the machine', () => {
    const hooks = m.cpu.hooks;
    m.cpu.hooks = {
      ...hooks,
      ports: { read: () => 0, write: () => void (m.words[Word.ExitReason] = ExitReason.Shutdown) },
    };
    assert.equal(m.run([0xe6, 0xf4, INC_EAX], 10), 1);
    assert.equal(m.words[Word.Eax], 0);
  });

  it('leaves all flags in the state block', () => {
    m.run([0x31, 0xc0], 1);
    assert.equal(m.words[Word.Eflags] & 0x8d5, 0x44);
    assert.equal(m.cpu.lazyOp, 0);
  });

  it('executes an instruction across a page end and fetches through paging', () => {
    m.place([0x05, ...d(0x11223344), HLT], 0x10ffe);
    m.interpreter.run(10);
    assert.equal(m.words[Word.Eax], 0x11223344);
  });
});

describe('changing code', () => {
  it('sees a store into the next instruction at once', () => {
    // mov byte [CODE+7], 0x42 (inc edx) over the inc eax that follows
    m.run([0xc6, 0x05, ...d(CODE + 7), INC_EDX, INC_EAX, HLT], 10);
    assert.deepEqual([m.words[Word.Eax], m.words[Word.Edx]], [0, 1]);
  });

  it('sees a store into code that ran before, in another page', () => {
    // call 0x12000 twice, changing what it does in between
    m.place([INC_EAX, 0xc3], 0x12000);
    const call = (at: number): number[] => [0xe8, ...d(0x12000 - (at + 5))];
    m.run([...call(CODE), 0xc6, 0x05, ...d(0x12000), INC_EDX, ...call(CODE + 12), HLT], 20);
    assert.deepEqual([m.words[Word.Eax], m.words[Word.Edx]], [1, 1]);
  });

  it('sees a repeated string store over the running page', () => {
    // mov edi, CODE+15; mov al, 0x42; mov ecx, 2; rep stosb; then two inc eax become inc edx
    m.run(
      [0xbf, ...d(CODE + 14), 0xb0, INC_EDX, 0xb9, ...d(2), 0xf3, 0xaa + 0, INC_EAX, INC_EAX, HLT].slice(0, 18),
      12,
    );
    assert.equal(m.words[Word.Edx], 2);
  });

  it('goes on seeing every change in a page that mixes code and data', () => {
    // top: inc byte [CODE+0x100]; xor byte [CODE+14], 0x02 (inc eax <-> inc edx); the changed byte; jmp top
    const code = [0xfe, 0x05, ...d(CODE + 0x100), 0x80, 0x35, ...d(CODE + 13), 0x02, INC_EDX, 0xeb, 0xf0];
    assert.equal(m.run(code, 4 * 100), 400);
    assert.equal(m.phys.read8(CODE + 0x100), 100);
    assert.deepEqual([m.words[Word.Eax], m.words[Word.Edx]], [50, 50]);
  });

  it('sees what the host loads', () => {
    m.run([INC_EAX, HLT], 2);
    m.words[Word.Halted] = 0;
    m.run([INC_EDX, HLT], 2);
    assert.deepEqual([m.words[Word.Eax], m.words[Word.Edx]], [1, 1]);
  });

  it('decodes the same bytes by code size', () => {
    m.run([0xb8, 0x34, 0x12, 0x42, 0x42, HLT], 1);
    assert.equal(m.words[Word.Eax], 0x42421234);
    m.enterReal();
    m.words[Word.Eip] = 0x8000;
    m.phys.load(0x8000, Uint8Array.from([0xb8, 0x34, 0x12, 0x42]));
    m.interpreter.run(2);
    assert.deepEqual([m.words[Word.Eax], m.words[Word.Edx]], [0x1234, 1]);
  });
});

describe('faults', () => {
  it('deliver with EIP at the instruction and nothing done', () => {
    m.gate(Vector.DE, HANDLER);
    m.words[Word.Eax] = 7;
    m.run([0xf7, 0xf3], 1);
    assert.equal(m.words[Word.Eip], HANDLER);
    assert.deepEqual(frame(3), [CODE, 8, Eflag.RF | 2]);
    assert.equal(m.words[Word.Eax], 7);
  });

  it('raise #UD for undefined opcodes and UD2', () => {
    for (const code of [
      [0x0f, 0x0b],
      [0x0f, 0x04],
      [0x8e, 0xc8],
      [0xf0, NOP],
      [0x0f, 0xaa],
    ]) {
      m = new TestMachine();
      m.gate(Vector.UD, HANDLER);
      m.run(code, 1);
      assert.equal(m.words[Word.Eip], HANDLER, code.join(' '));
    }
  });

  it('raise #GP for an instruction longer than 15 bytes', () => {
    m.gate(Vector.GP, HANDLER);
    m.run([...new Array<number>(15).fill(0x66), NOP], 1);
    assert.equal(m.words[Word.Eip], HANDLER);
    assert.deepEqual(frame(2), [0, CODE]);
  });

  it('leave ESP alone when POP to memory faults', () => {
    m.gate(Vector.GP, HANDLER);
    m.cpu.setSegment(3, 0x10, 0, 0xfff, 0x4093);
    m.run([0x8f, 0x05, ...d(DATA)], 1);
    assert.equal(m.words[Word.Eip], HANDLER);
    assert.equal(m.words[Word.Esp], STACK_TOP - 16);
  });

  it('raise #GP for code beyond the limit of CS, of a branch at the branch', () => {
    m.gate(Vector.GP, HANDLER);
    // limit just behind a 2-byte jump to the next byte
    m.cpu.setSegment(1, 8, 0, CODE + 1, 0x409b);
    m.run([0xeb, 0x00, NOP], 1);
    assert.equal(m.words[Word.Eip], HANDLER);
    assert.deepEqual(frame(2), [0, CODE]);
    m.words[Word.Esp] = STACK_TOP;
    m.cpu.setSegment(1, 8, 0, CODE + 1, 0x409b);
    m.place([NOP, 0x05, 0, 0, 0, 0]);
    m.interpreter.run(2);
    assert.deepEqual(frame(2), [0, CODE + 1]);
  });

  it('raise #GP where code runs off the end of a segment whose base lies within the page', () => {
    m.gate(Vector.GP, HANDLER);
    m.place([NOP, NOP, NOP, NOP], CODE + 0x123);
    m.cpu.setSegment(1, 8, CODE + 0x120, 0x104, 0x409b);
    m.words[Word.Eip] = 3;
    m.interpreter.run(2);
    assert.equal(m.words[Word.Eip], 5, 'two within the limit');
    m.phys.load(CODE + 0x220, Uint8Array.from([NOP, NOP, NOP, NOP, NOP, NOP]));
    m.words[Word.Eip] = 0x100;
    m.interpreter.run(6);
    assert.equal(m.words[Word.Eip], HANDLER);
    assert.deepEqual(frame(2), [0, 0x105]);
  });

  it('end the machine by a triple fault when nothing can handle them', () => {
    m.words[Word.IdtrLimit] = 0;
    m.run([0x0f, 0x0b], 10);
    assert.equal(m.words[Word.ExitReason], ExitReason.TripleFault);
  });
});

describe('paging', () => {
  const DIRECTORY = 0x100000;
  const TABLE = 0x101000;

  /** Maps the first 2 MiB one to one. */
  function enablePaging(): void {
    m.phys.write32(DIRECTORY, TABLE | 7);
    for (let page = 0; page < 512; page++) m.phys.write32(TABLE + page * 4, (page << 12) | 7);
    m.words[Word.Cr3] = DIRECTORY;
    m.words[Word.Cr0] |= Cr0.PG | Cr0.WP;
    m.cpu.mmu.flushAll();
    m.gate(Vector.PF, HANDLER);
  }
  const unmap = (linear: number): void => m.phys.write32(TABLE + (linear >>> 12) * 4, 0);

  it('runs code and data through the tables', () => {
    enablePaging();
    m.phys.write32(TABLE + 0x40 * 4, 0x50007);
    m.phys.write32(0x50010, 1234);
    m.run([0xa1, ...d(0x40010), 0xa3, ...d(0x40020)], 2);
    assert.equal(m.phys.read32(0x50020), 1234);
  });

  it('reports the write of a read-modify-write instruction', () => {
    enablePaging();
    unmap(0x40000);
    m.run([0xff, 0x05, ...d(0x40000)], 1);
    assert.equal(m.words[Word.Eip], HANDLER);
    assert.deepEqual(frame(2), [2, CODE]);
    assert.equal(m.words[Word.Cr2], 0x40000);
  });

  it('faults on a fetch from an absent page, and across a page end on its second page', () => {
    enablePaging();
    unmap(0x15000);
    m.place([0x05, 1], 0x14ffe);
    m.interpreter.run(1);
    assert.deepEqual(frame(2), [0, 0x14ffe]);
    assert.equal(m.words[Word.Cr2], 0x15000);
  });

  it('stops a repeated move at the faulting element and goes on from there', () => {
    enablePaging();
    unmap(0x41000);
    for (let i = 0; i < 8; i++) m.phys.write32(DATA + i * 4, i + 1);
    m.words[Word.Esi] = DATA;
    m.words[Word.Edi] = 0x40ff0;
    m.words[Word.Ecx] = 8;
    m.run([0xf3, 0xa5, HLT], 1);
    assert.equal(m.words[Word.Eip], HANDLER);
    assert.deepEqual([m.words[Word.Ecx], m.words[Word.Esi], m.words[Word.Edi]], [4, DATA + 16, 0x41000]);
    assert.deepEqual(frame(2), [2, CODE]);
    m.phys.write32(TABLE + 0x41 * 4, 0x60007);
    m.words[Word.Eip] = CODE;
    m.interpreter.run(5);
    assert.equal(m.words[Word.Ecx], 0);
    assert.equal(m.phys.read32(0x6000c), 8);
  });

  it('faults in the middle of PUSHA and ENTER with nothing pushed', () => {
    for (const code of [[0x60], [0xc8, 0, 0, 3]]) {
      m = new TestMachine();
      enablePaging();
      unmap(0x40000);
      m.words[Word.Esp] = 0x41008;
      m.words[Word.Ebp] = 0x41100;
      m.phys.write32(0x41004, 0x55);
      m.place(code);
      // ESP itself lies on the last good words, so the handler's frame does not fit either
      m.interpreter.run(1);
      assert.equal(m.words[Word.ExitReason], ExitReason.TripleFault);
      assert.equal(m.phys.read32(0x41004), 0x55, 'nothing pushed');
      assert.deepEqual([m.words[Word.Esp], m.words[Word.Ebp]], [0x41008, 0x41100]);
    }
  });
});

describe('single step', () => {
  it('traps behind each instruction while TF is set', () => {
    m.gate(Vector.DB, HANDLER);
    m.eflags = Eflag.TF | 2;
    m.run([INC_EAX, INC_EAX], 1);
    assert.equal(m.words[Word.Eip], HANDLER);
    assert.deepEqual(frame(3), [CODE + 1, 8, Eflag.TF | 2]);
    assert.equal(m.words[Word.Dr0 + 6] & (1 << 14), 1 << 14);
    assert.equal(m.eflags & Eflag.TF, 0);
  });

  it('begins behind the instruction after the POPF that sets TF', () => {
    m.gate(Vector.DB, HANDLER);
    m.run([0x68, ...d(Eflag.TF | 2), 0x9d, INC_EAX, INC_EAX], 10);
    assert.equal(m.words[Word.Eax], 1);
    assert.deepEqual(frame(1), [CODE + 7]);
  });

  it('traps after each iteration of a repeated string instruction', () => {
    m.gate(Vector.DB, HANDLER);
    m.words[Word.Ecx] = 3;
    m.words[Word.Edi] = DATA;
    m.eflags = Eflag.TF | 2;
    m.run([0xf3, 0xaa], 1);
    assert.deepEqual([m.words[Word.Ecx], frame(1)[0]], [2, CODE]);
  });

  it('does not trap behind MOV SS but behind the instruction after it', () => {
    m.gate(Vector.DB, HANDLER);
    m.words[Word.Eax] = 0x10;
    m.eflags = Eflag.TF | 2;
    m.run([0x8e, 0xd0, INC_EDX, NOP], 10);
    assert.deepEqual([m.words[Word.Edx], frame(1)[0]], [1, CODE + 3]);
  });

  it('does not trap behind INT n, which clears TF', () => {
    m.gate(Vector.DB, 0x19000);
    m.gate(0x80, HANDLER);
    m.eflags = Eflag.TF | 2;
    m.run([0xcd, 0x80], 1);
    assert.equal(m.words[Word.Eip], HANDLER);
  });
});

describe('interrupt shadow', () => {
  it('covers the instruction behind STI', () => {
    m.requested = true;
    assert.equal(m.run([0xfb, INC_EAX, INC_EAX], 10), 2);
    assert.deepEqual([m.words[Word.Eax], m.words[Word.Attention]], [1, Attention.Interrupt]);
    assert.equal(m.words[Word.Shadow], 0);
  });

  it('lets HLT behind STI halt with the request pending', () => {
    m.requested = true;
    m.run([0xfb, HLT, INC_EAX], 10);
    assert.deepEqual([m.words[Word.Halted], m.words[Word.Eip]], [1, CODE + 2]);
  });

  it('is not there when IF was set already', () => {
    m.words[Word.InterruptFlag] = 1;
    assert.equal(m.run([0xfb, INC_EAX], 1), 1);
    assert.equal(m.words[Word.Eax], 0);
  });

  it('delivers the fault of the covered instruction at that instruction', () => {
    m.gate(Vector.UD, HANDLER);
    m.run([0xfb, 0x0f, 0x0b], 1);
    assert.equal(m.words[Word.Eip], HANDLER);
    assert.deepEqual(frame(1), [CODE + 1]);
  });

  it('covers the instruction behind MOV SS and POP SS', () => {
    m.words[Word.Eax] = 0x10;
    assert.equal(m.run([0x8e, 0xd0, INC_EDX, INC_EDX], 1), 2);
    assert.equal(m.words[Word.Edx], 1);
    assert.equal(m.run([0x6a, 0x10, 0x17, INC_EDX, INC_EDX], 2), 3);
    assert.equal(m.words[Word.Edx], 2);
  });

  it('is over when run returns, single-stepped code included', () => {
    m.gate(Vector.DB, HANDLER);
    m.phys.load(HANDLER, Uint8Array.from([0xcf]));
    m.requested = true;
    m.eflags = Eflag.TF | 2;
    // the trap of STI itself comes first; its handler returns to the covered instruction
    m.run([0xfb, INC_EAX, INC_EAX], 1);
    assert.equal(m.words[Word.Shadow], 0);
    assert.equal(m.words[Word.Attention], Attention.Interrupt);
  });

  it('is a word of the state block when one instruction is run alone', () => {
    m.requested = true;
    m.place([0xfb, INC_EAX, INC_EAX]);
    assert.equal(m.interpreter.step(), 1);
    assert.deepEqual([m.words[Word.Eip], m.words[Word.Shadow]], [CODE + 1, 1]);
    assert.equal(m.interpreter.run(10), 1, 'one instruction despite the pending attention');
    assert.deepEqual([m.words[Word.Eax], m.words[Word.Shadow]], [1, 0]);
  });
});

describe('Interpreter.step', () => {
  it('runs one instruction whatever attention is pending', () => {
    m.words[Word.Attention] = Attention.Pause;
    m.place([INC_EAX, INC_EAX]);
    assert.equal(m.interpreter.step(), 1);
    assert.equal(m.words[Word.Eax], 1);
    assert.equal(m.words[Word.Eip], CODE + 1);
  });

  it('runs nothing when the vCPU is halted', () => {
    m.words[Word.Halted] = 1;
    m.place([INC_EAX]);
    assert.equal(m.interpreter.step(), 0);
  });
});

describe('ROM call-out', () => {
  const VMCALL = [0x0f, 0x01, 0xc1];

  it('reaches the ROM handler with the offset of the instruction and settled flags', () => {
    m.place([0x31, 0xc0, ...VMCALL, HLT], ROM_START + 0x40);
    m.interpreter.run(5);
    assert.deepEqual(m.romCalls, [0x42]);
    assert.equal(m.words[Word.Eip], ROM_START + 0x46);
  });

  it('is #UD outside the ROM and at CPL 3', () => {
    m.gate(Vector.UD, HANDLER);
    m.run(VMCALL, 1);
    assert.equal(m.words[Word.Eip], HANDLER);
    m.place(VMCALL, ROM_START);
    m.words[Word.Cpl] = 3;
    assert.throws(() => m.interpreter.romCall());
    assert.deepEqual(m.romCalls, []);
  });
});

describe('instructions without a handler', () => {
  it('end with an error that names mnemonic, bytes and EIP, and leave EIP there', () => {
    m.place([NOP, 0xd9, 0xe8]);
    assert.throws(
      () => m.interpreter.run(5),
      (error: unknown) => {
        assert.ok(error instanceof UnimplementedInstruction);
        assert.equal(error.mnemonic, 'FLD1');
        assert.deepEqual(error.bytes, [0xd9, 0xe8]);
        assert.equal(error.eip, CODE + 1);
        assert.match(error.message, /FLD1 \(d9 e8\) at eip 00010001/);
        return true;
      },
    );
    assert.equal(m.words[Word.Eip], CODE + 1);
  });

  it('raise #NM first when CR0.EM or CR0.TS says so, and #UD for MMX, which CPUID does not announce', () => {
    for (const [bit, code, vector] of [
      [Cr0.EM, [0xd9, 0xe8], Vector.NM],
      [Cr0.TS, [0xd9, 0xe8], Vector.NM],
      [Cr0.EM, [0x0f, 0xef, 0xc1], Vector.UD],
      [Cr0.TS, [0x0f, 0xef, 0xc1], Vector.UD],
    ] as const) {
      m = new TestMachine();
      m.gate(vector, HANDLER);
      m.words[Word.Cr0] |= bit;
      m.run(code, 1);
      assert.equal(m.words[Word.Eip], HANDLER);
    }
  });
});
