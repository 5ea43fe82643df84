/** How much memory a guest is said to take: as much as the boot loader really asks for. */
import assert from 'node:assert/strict';
import { planBoot } from '../../../src/boot/index.js';
import { leastMemory } from '../../../src/linux/leastMemory.js';
import { elfFile } from '../../helpers/kernels.js';

const MIB = 1 << 20;

describe('leastMemory', () => {
  it('names a size at which all pieces have room', () => {
    const kernel = elfFile({
      entry: 16 * MIB,
      segments: [
        { phys: 16 * MIB, linear: 16 * MIB },
        { phys: 32 * MIB, linear: 32 * MIB },
      ],
    });
    const image = { kernel, kernelName: 'k', initrd: new Uint8Array(3 * MIB) };
    assert.throws(() => planBoot(image, 16 * MIB), { code: 'KERNEL_OUTSIDE_RAM' });
    assert.throws(() => planBoot(image, 33 * MIB), { code: 'INITRD_TOO_BIG' });
    assert.equal(leastMemory(image), 48 * MIB);
    planBoot(image, 48 * MIB);
  });
});
