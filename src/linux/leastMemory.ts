/**
 * How much memory a guest of ours takes. The boot loader, which knows no more than the piece that it is placing, names the next piece's
 * need only when that one fits. Read before: `../boot/index.ts`. Read after: `../cli/linux.ts`.
 */
import { planBoot, type BootImage } from '../boot/index.js';

/** Enough that everything finds its place, to see where it ends. */
const PLENTY_BYTES = 0x38000000;
/** Sizes are recommended in these steps, so that something is left for programs. */
const STEP_BYTES = 16 << 20;

/**
 * @returns bytes of memory, in whole steps, with which the guest gets to its first program: the kernel, the initial RAM disk, and its
 *   contents unpacked
 * @throws ConfigError as `planBoot`
 */
export function leastMemory(image: BootImage): number {
  const ends = planBoot(image, PLENTY_BYTES).pieces.map(({ what, phys, sizeBytes }) =>
    what === 'initrd' ? 0 : phys + sizeBytes,
  );
  const bytes = Math.max(...ends) + 2 * (image.initrd?.length ?? 0);
  return Math.ceil(bytes / STEP_BYTES) * STEP_BYTES;
}
