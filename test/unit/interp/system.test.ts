/** System and segment instructions, ports, software interrupts: that each reaches what it should, with its checks in order. */
import assert from 'node:assert/strict';
import { Eflag } from '../../../src/vcpu/flags.js';
import { SegmentWord, Word } from '../../../src/vcpu/layout.js';
import { Cr0, Cr4 } from '../../../src/x86/control.js';
import { Flag } from '../../../src/x86/form.js';
import { Segment } from '../../../src/x86/instruction.js';
import { Vector } from '../../../src/x86/vectors.js';
import { CODE, DATA, GDT, STACK_TOP, TestMachine, d } from './machine.js';

const HANDLER = 0x18000;

let m: TestMachine;
beforeEach(() => {
  m = new TestMachine();
});

const selector = (segment: Segment): number =>
  m.words[Word.Segments + segment * SegmentWord.Count + SegmentWord.Selector];

/** Enters CPL 3 with user segments; the kernel stack of the TSS is at STACK_TOP. */
function enterUser(iopl = 0): void {
  const tss = 0x3000;
  m.phys.write32(tss + 4, STACK_TOP);
  m.phys.write32(tss + 8, 0x10);
  m.phys.write16(tss + 0x66, 0x68);
  m.phys.write8(tss + 0x68 + 0x10, 0xfe);
  m.cpu.setSegment(Segment.Tr, 0x28, tss, 0x68 + 0x20, 0x8b);
  m.cpu.setSegment(Segment.Cs, 0x1b, 0, -1, 0xc0fb);
  for (const segment of [Segment.Es, Segment.Ss, Segment.Ds]) m.cpu.setSegment(segment, 0x23, 0, -1, 0xc0f3);
  m.cpu.setCpl(3);
  m.words[Word.Esp] = STACK_TOP + 0x800;
  m.words[Word.Eflags] |= iopl << 12;
}

/** Runs one instruction at CPL 3 and asserts that it raises `vector`. */
function assertUserFault(code: readonly number[], vector: Vector, iopl = 0): void {
  m = new TestMachine();
  m.gate(vector, HANDLER);
  enterUser(iopl);
  m.run(code, 1);
  assert.equal(m.words[Word.Eip], HANDLER, `${code.map((byte) => byte.toString(16)).join(' ')} raises ${vector}`);
  assert.equal(m.words[Word.Cpl], 0);
}

describe('privileged instructions', () => {
  it('are #GP(0) at CPL 3', () => {
    const all = [
      [0xf4],
      [0x0f, 0x06],
      [0x0f, 0x08],
      [0x0f, 0x09],
      [0x0f, 0x20, 0xc0],
      [0x0f, 0x22, 0xc0],
      [0x0f, 0x21, 0xc0],
      [0x0f, 0x23, 0xc0],
      [0x0f, 0x30],
      [0x0f, 0x32],
      [0x0f, 0x01, 0x15, ...d(DATA)],
      [0x0f, 0x01, 0x1d, ...d(DATA)],
      [0x0f, 0x01, 0x3d, ...d(DATA)],
      [0x0f, 0x01, 0xf0],
      [0x0f, 0x00, 0xd0],
      [0x0f, 0x00, 0xd8],
    ];
    for (const code of all) assertUserFault(code, Vector.GP);
  });

  it('need IOPL for CLI and STI', () => {
    assertUserFault([0xfa], Vector.GP, 2);
    assertUserFault([0xfb], Vector.GP, 2);
    m = new TestMachine();
    enterUser(3);
    m.words[Word.InterruptFlag] = 1;
    m.run([0xfa], 1);
    assert.equal(m.words[Word.InterruptFlag], 0);
    assert.equal(m.words[Word.Eip], CODE + 1);
  });

  it('protected-mode instructions are #UD in real mode', () => {
    for (const code of [
      [0x0f, 0x00, 0xc0],
      [0x0f, 0x02, 0xc0],
      [0x63, 0xc0],
      [0x0f, 0x00, 0xd0],
    ]) {
      m = new TestMachine();
      m.enterReal();
      m.phys.write32(Vector.UD * 4, 0x00001234);
      m.words[Word.Eip] = 0x8000;
      m.phys.load(0x8000, Uint8Array.from(code));
      m.interpreter.run(1);
      assert.equal(m.words[Word.Eip], 0x1234, code.join(' '));
    }
  });
});

describe('control registers and tables', () => {
  it('MOV moves CR0, CR3 and CR4 both ways', () => {
    m.words[Word.Eax] = 0x5000;
    m.words[Word.Ebx] = Cr4.PGE;
    m.run([0x0f, 0x22, 0xd8, 0x0f, 0x22, 0xe3, 0x0f, 0x20, 0xd9, 0x0f, 0x20, 0xe2, 0x0f, 0x20, 0xc6], 5);
    assert.deepEqual([m.words[Word.Cr3], m.words[Word.Cr4]], [0x5000, Cr4.PGE]);
    assert.deepEqual([m.words[Word.Ecx], m.words[Word.Edx]], [0x5000, Cr4.PGE]);
    assert.equal(m.words[Word.Esi], m.words[Word.Cr0]);
  });

  it('turns paging on for the very next instruction', () => {
    // page directory at 0x100000, one 4 MiB page: CR4.PSE on, code stays where it is
    m.phys.write32(0x100000, 0x83);
    m.words[Word.Cr4] = Cr4.PSE;
    m.words[Word.Cr3] = 0x100000;
    m.words[Word.Eax] = Cr0.PG | Cr0.PE | Cr0.ET;
    m.run([0x0f, 0x22, 0xc0, 0x40], 2);
    assert.equal(m.words[Word.Eax], (Cr0.PG | Cr0.PE | Cr0.ET) + 1);
    assert.equal(m.phys.read32(0x100000) & 0x20, 0x20, 'the fetch set Accessed');
  });

  it('LGDT, SGDT, LIDT and SIDT', () => {
    m.phys.load(DATA, Uint8Array.from([0x34, 0x12, ...d(0x89abcdef)]));
    m.run([0x0f, 0x01, 0x15, ...d(DATA), 0x0f, 0x01, 0x05, ...d(DATA + 16)], 2);
    assert.deepEqual([m.words[Word.GdtrLimit], m.words[Word.GdtrBase]], [0x1234, 0x89abcdef | 0]);
    assert.deepEqual([...m.phys.bytes.subarray(DATA + 16, DATA + 22)], [0x34, 0x12, ...d(0x89abcdef)]);
    m.run([0x66, 0x0f, 0x01, 0x1d, ...d(DATA), 0x0f, 0x01, 0x0d, ...d(DATA + 32)], 2);
    assert.equal(m.words[Word.IdtrBase], 0x00abcdef, 'a 16-bit operand size loads 24 bits');
    assert.equal(m.phys.read32(DATA + 34), 0x00abcdef);
  });

  it('SMSW, LMSW and CLTS', () => {
    m.words[Word.Eax] = Cr0.TS | Cr0.PE;
    m.run([0x0f, 0x01, 0xf0, 0x0f, 0x01, 0xe3, 0x0f, 0x06], 2);
    assert.equal(m.words[Word.Ebx] & 0xf, Cr0.TS | Cr0.PE);
    m.interpreter.run(1);
    assert.equal(m.words[Word.Cr0] & Cr0.TS, 0);
  });

  it('INVLPG drops a stale translation', () => {
    m.phys.write32(0x100000, 0x101007);
    for (let page = 0; page < 512; page++) m.phys.write32(0x101000 + page * 4, (page << 12) | 7);
    m.words[Word.Cr3] = 0x100000;
    m.words[Word.Cr0] |= Cr0.PG;
    m.cpu.mmu.flushAll();
    m.phys.write32(0x50000, 1);
    m.phys.write32(0x60000, 2);
    m.phys.write32(0x101000 + 0x40 * 4, 0x50007);
    m.run([0xa1, ...d(0x40000)], 1);
    m.phys.write32(0x101000 + 0x40 * 4, 0x60007);
    m.run([0x8b, 0x1d, ...d(0x40000), 0x0f, 0x01, 0x3d, ...d(0x40000), 0x8b, 0x0d, ...d(0x40000)], 3);
    assert.deepEqual([m.words[Word.Eax], m.words[Word.Ebx], m.words[Word.Ecx]], [1, 1, 2]);
  });

  it('CPUID and RDTSC fill their registers; RDTSC obeys CR4.TSD', () => {
    m.run([0x0f, 0xa2], 1);
    assert.notEqual(m.words[Word.Ebx], 0);
    m.run([0x0f, 0x31], 1);
    assert.deepEqual([m.words[Word.Eax], m.words[Word.Edx]], [12345, 0]);
    m = new TestMachine();
    m.gate(Vector.GP, HANDLER);
    enterUser();
    m.words[Word.Cr4] = Cr4.TSD;
    m.run([0x0f, 0x31], 1);
    assert.equal(m.words[Word.Eip], HANDLER);
  });
});

describe('ports', () => {
  it('IN and OUT by immediate and DX in all sizes', () => {
    m.words[Word.Eax] = 0x11223344;
    m.words[Word.Edx] = 0x3f8;
    m.run([0xe6, 0x80, 0x66, 0xe7, 0x81, 0xe7, 0x82, 0xee, 0x66, 0xef, 0xef], 6);
    assert.deepEqual(
      m.ports.map(({ port, size, value }) => [port, size, value]),
      [
        [0x80, 1, 0x44],
        [0x81, 2, 0x3344],
        [0x82, 4, 0x11223344],
        [0x3f8, 1, 0x44],
        [0x3f8, 2, 0x3344],
        [0x3f8, 4, 0x11223344],
      ],
    );
    m.portValue = 0xa1b2c3d4;
    m.run([0xe4, 0x60], 1);
    assert.equal(m.words[Word.Eax], 0x112233d4);
    m.run([0x66, 0xed], 1);
    assert.equal(m.words[Word.Eax], 0x1122c3d4);
    m.run([0xed], 1);
    assert.equal(m.words[Word.Eax], 0xa1b2c3d4 | 0);
  });

  it('INS and OUTS move strings', () => {
    m.words[Word.Edx] = 0x1f0;
    m.words[Word.Edi] = DATA;
    m.words[Word.Esi] = DATA;
    m.words[Word.Ecx] = 3;
    m.portValue = 0xbeef;
    m.run([0xf3, 0x66, 0x6d], 1);
    assert.deepEqual([...m.phys.bytes.subarray(DATA, DATA + 7)], [0xef, 0xbe, 0xef, 0xbe, 0xef, 0xbe, 0]);
    m.words[Word.Ecx] = 2;
    m.run([0xf3, 0x6e], 1);
    assert.deepEqual(m.ports.slice(3), [
      { port: 0x1f0, size: 1, value: 0xef },
      { port: 0x1f0, size: 1, value: 0xbe },
    ]);
    assert.deepEqual([m.words[Word.Ecx], m.words[Word.Edi], m.words[Word.Esi]], [0, DATA + 6, DATA + 2]);
  });

  it('ask the I/O permission bitmap at CPL 3', () => {
    assertUserFault([0xe4, 0x81], Vector.GP);
    assert.deepEqual(m.ports, []);
    m = new TestMachine();
    enterUser();
    m.run([0xe4, 0x80], 1);
    assert.equal(m.ports.length, 1, 'port 80 is allowed by the bitmap');
  });

  it('a repeated INS that faults has not read the port', () => {
    m.gate(Vector.GP, HANDLER);
    m.cpu.setSegment(Segment.Es, 0x10, 0, DATA + 1, 0x4093);
    m.words[Word.Edi] = DATA;
    m.words[Word.Ecx] = 5;
    m.run([0xf3, 0x6c], 1);
    assert.equal(m.words[Word.Eip], HANDLER);
    assert.deepEqual([m.ports.length, m.words[Word.Ecx]], [2, 3]);
  });
});

describe('segment registers', () => {
  it('MOV, PUSH and POP carry selectors', () => {
    m.words[Word.Eax] = 0x7fff0010;
    m.words[Word.Ebx] = -1;
    m.run([0x8e, 0xe0, 0x8c, 0xe3, 0x0f, 0xa0, 0x0f, 0xa9], 4);
    assert.deepEqual([selector(Segment.Fs), selector(Segment.Gs)], [0x10, 0x10]);
    assert.equal(m.words[Word.Ebx], 0x10, 'zero-extended into the register');
    assert.equal(m.words[Word.Esp], STACK_TOP);
    m.run([0x8c, 0x1d, ...d(DATA)], 1);
    assert.deepEqual([...m.phys.bytes.subarray(DATA, DATA + 4)], [0x10, 0, 0, 0]);
  });

  it('LDS and LSS load offset and selector', () => {
    m.phys.load(DATA, Uint8Array.from([...d(0x12345678), 0x10, 0]));
    m.run([0xc5, 0x1d, ...d(DATA), 0x0f, 0xb2, 0x25, ...d(DATA)], 2);
    assert.deepEqual([m.words[Word.Ebx], m.words[Word.Esp]], [0x12345678, 0x12345678]);
  });

  it('a POP of a bad selector leaves ESP and the register', () => {
    m.gate(Vector.GP, HANDLER);
    m.run([0x68, ...d(0x78), 0x1f], 2);
    assert.equal(m.words[Word.Eip], HANDLER);
    assert.equal(m.phys.read32(m.words[Word.Esp]), 0x78, 'error code');
    assert.equal(m.words[Word.Esp], STACK_TOP - 4 - 16);
    assert.equal(selector(Segment.Ds), 0x10);
  });

  it('uses segment bases and limits for operands', () => {
    m.cpu.setSegment(Segment.Fs, 0x10, DATA, 0xff, 0x4093);
    m.phys.write32(DATA + 0x10, 77);
    m.run([0x64, 0xa1, ...d(0x10)], 1);
    assert.equal(m.words[Word.Eax], 77);
    m.gate(Vector.GP, HANDLER);
    m.run([0x64, 0xa1, ...d(0xfd)], 1);
    assert.equal(m.words[Word.Eip], HANDLER);
  });

  it('LAR, LSL, VERR, VERW and ARPL', () => {
    m.words[Word.Ebx] = 0x08;
    m.run([0x0f, 0x02, 0xc3, 0x0f, 0x03, 0xcb, 0x0f, 0x00, 0xe3], 3);
    assert.equal(m.words[Word.Eax] & 0x00f0ff00, 0x00c09b00);
    assert.equal(m.words[Word.Ecx], -1);
    assert.equal(m.eflags & Flag.ZF, Flag.ZF, 'readable');
    m.run([0x0f, 0x00, 0xeb], 1);
    assert.equal(m.eflags & Flag.ZF, 0, 'code is not writable');
    m.words[Word.Eax] = 0x1234;
    m.words[Word.Ebx] = 0x7f8;
    m.run([0x0f, 0x02, 0xc3], 1);
    assert.deepEqual([m.words[Word.Eax], m.eflags & Flag.ZF], [0x1234, 0]);
    m.words[Word.Eax] = 0x10;
    m.words[Word.Ebx] = 0x23;
    m.run([0x63, 0xd8], 1);
    assert.deepEqual([m.words[Word.Eax], m.eflags & Flag.ZF], [0x13, Flag.ZF]);
  });

  it('LLDT, SLDT, LTR and STR', () => {
    m.descriptor(5, 0x30000067, 0x00008900);
    m.descriptor(6, 0x40000017, 0x00008200);
    m.words[Word.Eax] = 0x28;
    m.words[Word.Ebx] = 0x30;
    m.words[Word.Ecx] = -1;
    m.run([0x0f, 0x00, 0xd8, 0x0f, 0x00, 0xd3, 0x0f, 0x00, 0xc9, 0x66, 0x0f, 0x00, 0xc2], 4);
    assert.deepEqual([selector(Segment.Tr), selector(Segment.Ldtr)], [0x28, 0x30]);
    assert.deepEqual([m.words[Word.Ecx], m.words[Word.Edx]], [0x28, 0x30]);
    assert.equal(m.phys.read32(GDT + 5 * 8 + 4) & 0x200, 0x200, 'busy');
  });
});

describe('software interrupts', () => {
  it('INT n, INT3 and INTO go through their gates and IRET comes back', () => {
    m.gate(0x80, HANDLER);
    m.phys.load(HANDLER, Uint8Array.from([0x42, 0xcf]));
    m.eflags = Flag.CF | 2;
    m.run([0xcd, 0x80, 0x40], 4);
    assert.deepEqual([m.words[Word.Edx], m.words[Word.Eax], m.words[Word.Esp]], [1, 1, STACK_TOP]);
    assert.equal(m.eflags, Flag.CF | 2);
    m.gate(Vector.BP, HANDLER);
    m.run([0xcc], 1);
    assert.equal(m.words[Word.Eip], HANDLER);
    assert.equal(m.phys.read32(m.words[Word.Esp]), CODE + 1);
    m.gate(Vector.OF, HANDLER);
    m.run([0xce], 1);
    assert.equal(m.words[Word.Eip], CODE + 1, 'no overflow');
    m.eflags = Flag.OF | 2;
    m.run([0xce], 1);
    assert.equal(m.words[Word.Eip], HANDLER);
  });

  it('BOUND raises #BR outside its bounds only', () => {
    m.gate(Vector.BR, HANDLER);
    m.phys.write32(DATA, -5);
    m.phys.write32(DATA + 4, 10);
    for (const [index, inside] of [
      [-6, false],
      [-5, true],
      [10, true],
      [11, false],
    ] as const) {
      m.words[Word.Eax] = index;
      m.run([0x62, 0x05, ...d(DATA)], 1);
      assert.equal(m.words[Word.Eip], inside ? CODE + 6 : HANDLER, String(index));
    }
  });
});

describe('PUSHF and POPF', () => {
  it('carry IF but not RF and VM', () => {
    m.words[Word.InterruptFlag] = 1;
    m.run([0xf9, 0x9c, 0x58], 3);
    assert.equal(m.words[Word.Eax], Eflag.IF | Flag.CF | 2);
    m.words[Word.Eax] = -1;
    m.run([0x50, 0x9d], 2);
    const all = 0x8d5 | Eflag.TF | Eflag.IF | Eflag.DF | Eflag.IOPL | Eflag.NT | Eflag.AC | Eflag.ID | 2;
    assert.equal(m.eflags, all);
  });

  it('let CPL 3 change neither IOPL nor, below it, IF', () => {
    enterUser(1);
    m.words[Word.InterruptFlag] = 1;
    m.words[Word.Eax] = Eflag.IOPL | Flag.ZF;
    m.run([0x50, 0x9d], 2);
    assert.equal(m.eflags, (1 << 12) | Flag.ZF | Eflag.IF | 2);
  });

  it('of 16 bits leave the upper half alone', () => {
    m.words[Word.Eflags] = Eflag.ID | Eflag.AC | 2;
    m.words[Word.Eax] = Flag.CF;
    m.run([0x66, 0x50, 0x66, 0x9d], 2);
    assert.equal(m.eflags, Eflag.ID | Eflag.AC | Flag.CF | 2);
    assert.equal(m.words[Word.Esp], STACK_TOP);
  });
});

describe('far transfers', () => {
  it('JMP, CALL and RET through CS selectors', () => {
    m.descriptor(5, 0x0000ffff, 0x00cf9b00);
    m.place([0xcb], HANDLER);
    // call 28:HANDLER; jmp 28:target
    m.run([0x9a, ...d(HANDLER), 0x28, 0, 0xea, ...d(CODE + 20), 0x28, 0], 1);
    assert.deepEqual([m.words[Word.Eip], selector(Segment.Cs)], [HANDLER, 0x28]);
    m.interpreter.run(1);
    assert.deepEqual([m.words[Word.Eip], selector(Segment.Cs), m.words[Word.Esp]], [CODE + 7, 8, STACK_TOP]);
    m.interpreter.run(1);
    assert.deepEqual([m.words[Word.Eip], selector(Segment.Cs)], [CODE + 20, 0x28]);
  });

  it('JMP through a pointer in memory', () => {
    m.phys.load(DATA, Uint8Array.from([...d(HANDLER), 0x08, 0]));
    m.run([0xff, 0x2d, ...d(DATA)], 1);
    assert.equal(m.words[Word.Eip], HANDLER);
  });
});

describe('real mode', () => {
  /** Runs 16-bit code at 0:8000. */
  function run16(code: readonly number[], count: number): void {
    m.words[Word.Eip] = 0x8000;
    m.phys.load(0x8000, Uint8Array.from(code));
    m.interpreter.run(count);
  }
  beforeEach(() => m.enterReal());

  it('uses 16-bit operands, addresses and stack', () => {
    // mov ax,1234; push ax; pop bx; mov [bx+di-1],al with wrap at 64 KiB
    m.words[Word.Esp] = 0x12340000 | 0x9000;
    m.words[Word.Edi] = 0xf000;
    run16([0xb8, 0x34, 0x12, 0x50, 0x5b, 0x88, 0x41, 0xff], 4);
    assert.equal(m.words[Word.Ebx] & 0xffff, 0x1234);
    assert.equal(m.words[Word.Esp], 0x12340000 | 0x9000);
    assert.equal(m.phys.read8((0x1234 + 0xf000 - 1) & 0xffff), 0x34);
  });

  it('calls near and far, and interrupts through the vector table', () => {
    m.phys.write16(0x21 * 4, 0x8100);
    m.phys.write16(0x21 * 4 + 2, 0);
    m.phys.load(0x8100, Uint8Array.from([0x42, 0xcf]));
    m.phys.load(0x8200, Uint8Array.from([0x43, 0xc3]));
    m.phys.load(0x8300, Uint8Array.from([0x41, 0xcb]));
    // call 8200; int 21; call 0830:0000
    run16([0xe8, 0xfd, 0x01, 0xcd, 0x21, 0x9a, 0x00, 0x00, 0x30, 0x08, 0xf4], 10);
    assert.deepEqual([m.words[Word.Edx], m.words[Word.Ebx], m.words[Word.Ecx]], [1, 1, 1]);
    assert.deepEqual([m.words[Word.Halted], m.words[Word.Esp]], [1, 0x8000]);
  });

  it('repeats by CX with 16-bit index registers', () => {
    m.words[Word.Ecx] = 0xffff0003;
    m.words[Word.Edi] = 0x0001fffe;
    m.words[Word.Eax] = 0x5a;
    run16([0xf3, 0xaa], 1);
    assert.deepEqual([m.words[Word.Ecx], m.words[Word.Edi]], [0xffff0000 | 0, 0x00010001]);
    assert.deepEqual([m.phys.read8(0xfffe), m.phys.read8(0xffff), m.phys.read8(0)], [0x5a, 0x5a, 0x5a]);
  });

  it('switches to protected mode', () => {
    m.words[Word.GdtrBase] = GDT;
    m.words[Word.GdtrLimit] = 0xff;
    // mov eax,1; mov cr0,eax; jmp dword 8:CODE
    m.phys.load(CODE, Uint8Array.from([0xb8, ...d(0x89abcdef), 0xf4]));
    run16([0x66, 0xb8, ...d(1), 0x0f, 0x22, 0xc0, 0x66, 0xea, ...d(CODE), 0x08, 0x00], 5);
    assert.deepEqual([m.words[Word.Eax], m.words[Word.Halted]], [0x89abcdef | 0, 1]);
  });
});
