/**
 * Every debug namespace, one line each. `DEBUG=romulus:*` or `-v` shows them on stderr. Hot paths never log: what happens there is
 * counted, and the counts are logged or shown at the end.
 */
import debug from 'debug';

export const log = {
  /** Threads, memory, signal routes, how a machine ended. */
  machine: debug('romulus:machine'),
  /** What kind of kernel was found and where it was entered. */
  boot: debug('romulus:boot'),
  /** At the end: ports and MSRs that the guest used and no device has, accesses per device. */
  bus: debug('romulus:bus'),
  /** Virtio devices that need a reset, and why. */
  virtio: debug('romulus:virtio'),
};

/** Switches all of them on, here and, by way of the environment, in worker threads made later. */
export function enableLog(): void {
  const namespaces = [process.env.DEBUG, 'romulus:*'].filter(Boolean).join(',');
  process.env.DEBUG = namespaces;
  debug.enable(namespaces);
}
