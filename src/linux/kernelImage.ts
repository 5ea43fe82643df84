/**
 * Unpacks a bzImage once, on the host, so that the guest need not do it at each boot: for Debian's kernel that is a sixth of the CPU
 * time from start to the first program. What is inside is an ELF file, which the boot loader takes as well.
 *
 * Separate from `kernelPackage.ts` because it knows kernels and nothing of packages. Read before: `../boot/bzimage.ts`.
 */
import { spawn } from 'node:child_process';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { bzImagePayload, isBzImage } from '../boot/bzimage.js';
import { isElf } from '../boot/elf.js';

const GZIP_MAGIC = Buffer.of(0x1f, 0x8b);
const XZ_MAGIC = Buffer.from('\xfd7zXZ\0', 'latin1');
/** The build puts the unpacked size behind what it packs by other methods than gzip. (Linux: scripts/Makefile.lib, size_append) */
const SIZE_BYTES = 4;

/**
 * @param image the kernel's file
 * @param signal aborts the work
 * @returns the kernel unpacked, or `image` itself where this host cannot unpack it
 */
export async function unpackKernelImage(image: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  if (!isBzImage(image)) return image;
  const payload = Buffer.from(bzImagePayload(image));
  try {
    const kernel = await unpack(payload, signal);
    return kernel !== undefined && isElf(kernel) ? kernel : image;
  } catch {
    signal.throwIfAborted();
    return image;
  }
}

async function unpack(payload: Buffer, signal: AbortSignal): Promise<Buffer | undefined> {
  if (payload.subarray(0, GZIP_MAGIC.length).equals(GZIP_MAGIC)) return promisify(gunzip)(payload);
  if (payload.subarray(0, XZ_MAGIC.length).equals(XZ_MAGIC)) return unxz(payload.subarray(0, -SIZE_BYTES), signal);
  return undefined;
}

/** By the host's xz, for Node has none. */
async function unxz(packed: Buffer, signal: AbortSignal): Promise<Buffer | undefined> {
  const child = spawn('xz', ['-dc'], { stdio: ['pipe', 'pipe', 'ignore'], signal, detached: true });
  const status = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  // A program that ends early says so by its status.
  child.stdin.on('error', () => undefined);
  child.stdin.end(packed);
  const [kernel, code] = await Promise.all([buffer(child.stdout), status]);
  return code === 0 ? kernel : undefined;
}
