/**
 * Makes the virtio devices of a machine on the vCPU thread: each device over its back end. What the devices share with the main
 * thread are byte rings and file descriptors.
 *
 * Read before: `plugs.ts`. Read after: `board.ts`, which gives them their places.
 */
import { randomFillSync } from 'node:crypto';
import { VirtioBlock, type BlockBackend } from '../devices/virtio/block.js';
import { VirtioConsole, type ConsolePort, type PortBackend } from '../devices/virtio/console.js';
import type { VirtioDevice } from '../devices/virtio/device.js';
import { VirtioEntropy } from '../devices/virtio/entropy.js';
import { ByteRing } from './byteRing.js';
import { makeDisk, type DriveSetup } from './disk/openDrive.js';
import type { ChannelSetup } from './messages.js';
import type { Transport } from './plugs.js';

/** A virtio device as the vCPU thread is told to make it. */
export type VirtioSetup = { readonly transport: Transport } & (
  | { readonly kind: 'block'; readonly drive: DriveSetup; readonly serial: string }
  | { readonly kind: 'entropy' }
  | { readonly kind: 'console'; readonly hasConsole: boolean }
);

/** What the ports of the console are connected to. */
export interface PortWiring {
  readonly consoleInput: ByteRing;
  readonly consoleOutput: ByteRing;
  readonly channels: readonly ChannelSetup[];
  readonly onOutput: () => void;
  readonly onInputDrained: () => void;
  readonly onOpened: (name: string, isOpen: boolean) => void;
}

export interface VirtioPlug {
  readonly device: VirtioDevice;
  readonly transport: Transport;
}

export interface VirtioDevices {
  readonly plugs: readonly VirtioPlug[];
  readonly console: VirtioConsole | undefined;
  /** Writes what the disks have not put down yet. */
  close(): void;
}

/** @param warn told once of each thing that a back end could not do */
export function makeVirtioDevices(
  setups: readonly VirtioSetup[],
  wiring: PortWiring,
  warn: (message: string) => void,
): VirtioDevices {
  const told = new Set<string>();
  const warnOnce = (message: string): void => {
    if (told.has(message)) return;
    told.add(message);
    warn(message);
  };
  const disks: BlockBackend[] = [];
  let console: VirtioConsole | undefined;
  const plugs = setups.map((setup): VirtioPlug => {
    const { transport } = setup;
    if (setup.kind === 'entropy')
      return { transport, device: new VirtioEntropy((bytes) => void randomFillSync(bytes)) };
    if (setup.kind === 'console') {
      console = new VirtioConsole(portsOf(setup.hasConsole, wiring));
      return { transport, device: console };
    }
    const disk = makeDisk(setup.drive);
    disks.push(disk);
    return { transport, device: new VirtioBlock(setup.serial, disk, setup.serial, warnOnce) };
  });
  const close = (): void => {
    for (const disk of disks) {
      try {
        disk.flush();
      } catch (error) {
        warnOnce((error as Error).message);
      }
    }
  };
  return { plugs, console, close };
}

function portsOf(hasConsole: boolean, wiring: PortWiring): ConsolePort[] {
  const { consoleInput, consoleOutput, channels, onOpened } = wiring;
  const named = channels.map(({ name, input, output }) => ({
    name,
    backend: ringPort(new ByteRing(input), new ByteRing(output), wiring, (isOpen) => onOpened(name, isOpen)),
  }));
  const console = { backend: ringPort(consoleInput, consoleOutput, wiring, () => undefined) };
  return hasConsole ? [console, ...named] : named;
}

/** A port over the two byte rings of a channel. */
function ringPort(
  input: ByteRing,
  output: ByteRing,
  { onOutput, onInputDrained }: PortWiring,
  opened: (isOpen: boolean) => void,
): PortBackend {
  return {
    transmit: (bytes) => {
      const taken = output.write(bytes);
      if (output.takeReaderWaits()) onOutput();
      return taken;
    },
    hasInput: () => input.size > 0 || input.awaitBytes(),
    receive: (target) => {
      const count = input.readInto(target);
      if (input.takeWriterWaits()) onInputDrained();
      return count;
    },
    opened,
  };
}
