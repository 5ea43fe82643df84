/**
 * The port bus: owns the ranges, rejects overlap, splits accesses that no device takes whole. A device sees offsets from its
 * base, never absolute ports (crosvm's and Firecracker's rule), so the same class can sit at COM1 or COM2.
 */

export interface PortDevice {
  /** Reads `size` bytes at `offset` from the device's base; returns an unsigned value. */
  readPort(offset: number, size: 1 | 2 | 4): number;
  writePort(offset: number, size: 1 | 2 | 4, value: number): void;
}
