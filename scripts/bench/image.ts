/**
 * The guests that are measured: each a multiboot image of a few hundred bytes that writes 'S' to COM1, runs a loop, writes 'E' and halts.
 * Any PC emulator that takes multiboot kernels can run them. Read before: nothing. Read after: `romulus.ts`, `v86.ts`.
 */

export interface Workload {
  readonly name: string;
  /** The loop's body; it may use every register but EBP, which counts. */
  readonly body: readonly number[];
  /** Code that the body calls, placed so that a CALL at the body's first byte has the displacement that `call` gives. */
  readonly subroutine?: readonly number[];
  readonly iterations: number;
}

const LOAD_ADDRESS = 0x100000;
const HEADER_BYTES = 32;
const IMAGE_BYTES = 4096;
const MAGIC = 0x1badb002;
/** The address fields of the header are valid. (Multiboot Specification 0.6.96, 3.1.2) */
const FLAGS = 1 << 16;

const dword = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];

/** mov dx, 0x3f8; mov al, character; out dx, al */
const say = (character: string): number[] => [0x66, 0xba, 0xf8, 0x03, 0xb0, character.charCodeAt(0), 0xee];

/** dec ebp; jnz to the first of `bodyBytes` before it; cli; hlt at the end. */
export function buildImage(workload: Workload): Uint8Array {
  const { body, subroutine = [], iterations } = workload;
  const setUp = [
    ...[0xbc, ...dword(0x180000)], // mov esp
    ...[0xbe, ...dword(0x200000)], // mov esi
    ...[0xbf, ...dword(0x300000)], // mov edi
    ...[0xbb, ...dword(12345)], // mov ebx
    ...[0xbd, ...dword(iterations)], // mov ebp
    ...[0x31, 0xc9], // xor ecx, ecx
  ];
  const back = -(body.length + 7);
  const code = [
    ...say('S'),
    ...setUp,
    ...body,
    ...[0x4d, 0x0f, 0x85, ...dword(back)], // dec ebp; jnz body
    ...say('E'),
    ...[0xfa, 0xf4],
  ];
  const bodyAt = say('S').length + setUp.length;
  const image = new Uint8Array(IMAGE_BYTES);
  const header = [MAGIC, FLAGS, -(MAGIC + FLAGS), LOAD_ADDRESS, LOAD_ADDRESS, 0, 0, LOAD_ADDRESS + HEADER_BYTES];
  image.set(header.flatMap(dword));
  image.set(code, HEADER_BYTES);
  image.set(subroutine, HEADER_BYTES + bodyAt + SUBROUTINE_OFFSET);
  return image;
}

/** Bytes from the body's first byte to the subroutine. */
const SUBROUTINE_OFFSET = 0x200;

const ITERATIONS = 2_000_000;

export const workloads: readonly Workload[] = [
  {
    name: 'registers',
    // add eax, ebx; xor edx, eax; sub esi, edx; lea edi, [eax+edx*4+5]; adc ebx, esi; rol eax, 3; cmp eax, edx; jbe +1; inc ecx
    body: [
      ...[0x01, 0xd8, 0x31, 0xc2, 0x29, 0xd6, 0x8d, 0x7c, 0x90, 0x05, 0x11, 0xf3, 0xc1, 0xc0, 0x03],
      ...[0x39, 0xd0, 0x76, 0x01, 0x41],
    ],
    iterations: ITERATIONS,
  },
  {
    name: 'words in memory',
    // mov eax, [esi+ecx*4]; add eax, ebx; mov [edi+ecx*4], eax; add ebx, eax; shr eax, 3; test eax, 4; jz +1; inc edx; inc ecx;
    // and ecx, 0xff
    body: [
      ...[0x8b, 0x04, 0x8e, 0x01, 0xd8, 0x89, 0x04, 0x8f, 0x01, 0xc3, 0xc1, 0xe8, 0x03, 0xa9, 0x04, 0, 0, 0],
      ...[0x74, 0x01, 0x42, 0x41, 0x81, 0xe1, 0xff, 0, 0, 0],
    ],
    iterations: ITERATIONS,
  },
  {
    name: 'bytes in memory',
    // movzx eax, byte [esi+ecx]; cmp al, 0x20; je +6; add al, bl; mov [edi+ecx], al; inc ebx; inc ecx; and ecx, 0xffff
    body: [
      ...[0x0f, 0xb6, 0x04, 0x0e, 0x3c, 0x20, 0x74, 0x06, 0x00, 0xd8, 0x88, 0x04, 0x0f, 0x43],
      ...[0x41, 0x81, 0xe1, 0xff, 0xff, 0, 0],
    ],
    iterations: ITERATIONS,
  },
  {
    name: 'calls',
    // call f; cmp eax, ebx; jl +1; inc edx | push ebp; mov ebp, esp; push ebx; mov eax, [ebp+4]; pop ebx; pop ebp; ret
    body: [0xe8, ...dword(SUBROUTINE_OFFSET - 5), 0x39, 0xd8, 0x7c, 0x01, 0x42],
    subroutine: [0x55, 0x89, 0xe5, 0x53, 0x8b, 0x45, 0x04, 0x5b, 0x5d, 0xc3],
    iterations: ITERATIONS,
  },
];
