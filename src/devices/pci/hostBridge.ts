/**
 * The host bridge in slot 0: the 440FX by name (Intel 82441FX), which every kernel for PCs knows to leave alone. Kernels believe
 * configuration mechanism #1 only where they find one. It has no registers of its own behind the header.
 * Read before: `function.ts`. Read after: nothing.
 */
import { PciFunction } from './function.js';

export const HOST_BRIDGE_SLOT = 0;

/** Intel 82441FX datasheet, "PCI Configuration Space": PMC, revision 2. */
export function makeHostBridge(): PciFunction {
  return new PciFunction({ vendorId: 0x8086, deviceId: 0x1237, revisionId: 2, classCode: 0x06_00_00 });
}
