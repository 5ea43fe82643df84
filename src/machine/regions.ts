/**
 * Memory that the main thread and the vCPU threads of one machine share: through the addon (a memfd, mapped in every thread without
 * copies) or, without it, as a SharedArrayBuffer. The owner opens regions and closes them; a worker attaches to them and detaches.
 */
import { HostError } from '../errors.js';
import type { Native } from '../native.js';
import type { SharedRegion } from './messages.js';

/** One thread's view of a region. */
export interface View {
  readonly buffer: ArrayBufferLike;
  /** Gives the view up: `buffer` is empty afterwards where the memory was the addon's. */
  release(): void;
}

/** Makes a region of `sizeBytes` zero bytes, known to `label` in /proc/<pid>/maps where the addon makes it. */
export function openRegion(native: Native | undefined, sizeBytes: number, label: string): SharedRegion {
  if (native) return { nativeId: native.memoryCreate(sizeBytes, label) };
  try {
    return { buffer: new SharedArrayBuffer(sizeBytes) };
  } catch (error) {
    const text = `no ${sizeBytes / 2 ** 20} MiB of memory for ${label}: give the guest less memory, or the host more`;
    throw new HostError('ENOMEM', text, { cause: error });
  }
}

export function attach(native: Native | undefined, region: SharedRegion): View {
  if ('buffer' in region) return { buffer: region.buffer, release: () => undefined };
  if (!native) throw new Error('a native region needs the addon in every thread');
  const buffer = native.memoryMap(region.nativeId);
  return { buffer, release: () => native.memoryRelease(buffer) };
}

/** The owner's farewell: the memory goes when the last view of it does. */
export function closeRegion(native: Native | undefined, region: SharedRegion): void {
  if ('nativeId' in region) native?.memoryClose(region.nativeId);
}
