/**
 * Measures the interpreter: a few loops of plain integer code, in million instructions a second. Not a test; run it after a build
 * as `node dist/scripts/bench-interp.js [seconds]`. Read before: `../src/interp/interpreter.ts`.
 */
import { Interpreter } from '../src/interp/interpreter.js';
import { Mmu } from '../src/memory/mmu.js';
import { PhysMemory } from '../src/memory/phys.js';
import { STATE_BYTES, Word } from '../src/vcpu/layout.js';
import { Vcpu } from '../src/vcpu/vcpu.js';
import { enterProtectedFlat } from '../src/vcpu/powerOn.js';

const CODE = 0x10000;

const loops: Readonly<Record<string, readonly number[]>> = {
  // ecx: add eax,ebx; xor edx,eax; sub esi,edx; dec ecx; jnz
  'register ALU': [0x01, 0xd8, 0x31, 0xc2, 0x29, 0xd6, 0x49, 0x75, 0xf7, 0xeb, 0xf5],
  // mov eax,[esi+ecx*4]; add eax,ebx; mov [edi+ecx*4],eax; add ebx,eax; shr eax,3; test eax,4; jz +1; inc edx; inc ecx; and ecx,0xff; jmp
  'memory ALU with branches': [
    ...[0x8b, 0x04, 0x8e, 0x01, 0xd8, 0x89, 0x04, 0x8f, 0x01, 0xc3, 0xc1, 0xe8, 0x03, 0xa9, 0x04, 0, 0, 0],
    ...[0x74, 0x01, 0x42, 0x41, 0x81, 0xe1, 0xff, 0, 0, 0, 0xeb, 0xe2],
  ],
  // call +7; cmp eax,ebx; jl start; jmp start | push ebp; mov ebp,esp; mov eax,[ebp+4]; pop ebp; ret
  calls: [
    ...[0xe8, 0x06, 0, 0, 0, 0x39, 0xd8, 0x7c, 0xf7, 0xeb, 0xf5],
    ...[0x55, 0x89, 0xe5, 0x8b, 0x45, 0x04, 0x5d, 0xc3],
  ],
  // movzx eax,byte [esi]; cmp al,0x20; je; inc esi; and esi,0x2ffff; or esi,0x20000; mov [edi],al; jmp
  bytes: [
    ...[0x0f, 0xb6, 0x06, 0x3c, 0x20, 0x74, 0x0d, 0x46, 0x81, 0xe6, 0xff, 0xff, 0x02, 0, 0x81, 0xce, 0, 0, 0x02, 0],
    ...[0x88, 0x07, 0xeb, 0xe8],
  ],
};

function measure(code: readonly number[], seconds: number): number {
  const block = new SharedArrayBuffer(STATE_BYTES);
  const words = new Int32Array(block);
  const phys = new PhysMemory(new SharedArrayBuffer(0x400000));
  const cpu = new Vcpu(block, new Mmu(phys, words));
  cpu.hooks = {
    ports: { read: () => 0xffffffff, write: () => undefined },
    pic: { requested: false, acknowledge: () => 0 },
    rom: { call: () => undefined },
    tsc: { cycles: () => 0 },
  };
  cpu.reset();
  enterProtectedFlat(cpu, CODE);
  phys.load(CODE, Uint8Array.from(code));
  words[Word.Esp] = 0x8000;
  words[Word.Esi] = 0x20000;
  words[Word.Edi] = 0x40000;
  words[Word.Ebx] = 12345;
  const interpreter = new Interpreter(cpu, phys);
  const end = performance.now() + seconds * 1000;
  let best = 0;
  while (performance.now() < end) {
    const start = performance.now();
    const retired = interpreter.run(5_000_000);
    best = Math.max(best, retired / (performance.now() - start) / 1000);
  }
  return best;
}

const seconds = Number(process.argv[2] ?? 2);
for (const [name, code] of Object.entries(loops)) {
  process.stdout.write(`${name.padEnd(26)} ${measure(code, seconds).toFixed(1).padStart(7)} million/s\n`);
}
