/**
 * Which virtio devices a machine has, and how each is reached: worked out from the options before there is a guest, so that the vCPU
 * thread plugs them in and the kernel's command line announces those that no bus enumerates.
 *
 * The entropy device is always there: a guest without a driver for it never notices, and one with a driver has randomness from its
 * first second. The console device comes with its console (`virtconsole`) or with the first named channel.
 *
 * Read before: `../deviceOptions.ts`. Read after: `virtioDevices.ts`, which makes them.
 */
import type { DeviceOption, DriveOption } from '../deviceOptions.js';
import { PCI_IRQS } from '../devices/pci/bus.js';
import { VIRTIO_MMIO_BYTES } from '../devices/virtio/mmioTransport.js';
import { ConfigError } from '../errors.js';

/** How a device is reached. */
export type Transport = 'pci' | 'mmio';

export type Plug = { readonly transport: Transport } & (
  | { readonly kind: 'block'; readonly drive: DriveOption; readonly serial: string }
  | { readonly kind: 'entropy' }
  | { readonly kind: 'console'; readonly hasConsole: boolean }
);

/** Virtio-mmio devices lie here, a page each, above the most RAM that a machine can have and below the PCI window. */
export const VIRTIO_MMIO_START = 0xd000_0000;
export const VIRTIO_MMIO_STRIDE_BYTES = 0x1000;

/** The line of the virtio-mmio device `index`: the PCI ones, which are level-triggered and can be shared. */
export const irqOfMmio = (index: number): number => PCI_IRQS[index % PCI_IRQS.length];

/** What the kernel's command line says of `count` virtio-mmio devices; Linux needs CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES to read it. */
export function announceMmio(count: number): string {
  let text = '';
  for (let index = 0; index < count; index++) {
    const start = VIRTIO_MMIO_START + index * VIRTIO_MMIO_STRIDE_BYTES;
    text += ` virtio_mmio.device=${VIRTIO_MMIO_BYTES}@0x${start.toString(16)}:${irqOfMmio(index)}`;
  }
  return text;
}

/**
 * @param hasChannels whether somebody has asked for a named channel
 * @throws ConfigError `BAD_DEVICE`, `BAD_DRIVE` for devices and drives that do not fit together
 */
export function plugsOf(
  drives: readonly DriveOption[],
  devices: readonly DeviceOption[],
  hasChannels: boolean,
): Plug[] {
  return [...blockPlugs(drives, devices), ...consolePlug(devices, hasChannels), entropyPlug(devices)];
}

const transportOf = (device: DeviceOption | undefined): Transport =>
  device?.driver.endsWith('-device') === true ? 'mmio' : 'pci';

function blockPlugs(drives: readonly DriveOption[], devices: readonly DeviceOption[]): Plug[] {
  const ids = drives.flatMap((drive) => drive.id ?? []);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) throw new ConfigError('BAD_DRIVE', `two drives have the id '${twice}'; give each its own`);
  const takers = devices.filter((device) => device.drive !== undefined);
  for (const { driver, drive: id } of takers) {
    if (!drives.some((drive) => drive.id === id && drive.if === 'none'))
      throw new ConfigError('BAD_DEVICE', `${driver} asks for drive '${id}'; give a drive with if=none,id=${id}`);
  }
  return drives.map((drive, index) => {
    const serial = drive.serial ?? drive.id ?? `drive${index}`;
    if (drive.if !== 'none') return { kind: 'block', transport: 'pci', drive, serial };
    const [device, another] = takers.filter((taker) => taker.drive === drive.id);
    if (device === undefined || another !== undefined)
      throw new ConfigError(
        'BAD_DRIVE',
        `drive '${drive.id ?? drive.file}' has if=none, so exactly one device has to name it: virtio-blk-pci,drive=${drive.id ?? 'ID'}`,
      );
    return { kind: 'block', transport: transportOf(device), drive, serial };
  });
}

function consolePlug(devices: readonly DeviceOption[], hasChannels: boolean): Plug[] {
  const bus = only(devices, 'virtio-serial');
  const hasConsole = only(devices, 'virtconsole') !== undefined;
  if (bus === undefined && !hasConsole && !hasChannels) return [];
  return [{ kind: 'console', transport: transportOf(bus), hasConsole }];
}

const entropyPlug = (devices: readonly DeviceOption[]): Plug => ({
  kind: 'entropy',
  transport: transportOf(only(devices, 'virtio-rng')),
});

/** The device of a kind of which a machine has at most one. */
function only(devices: readonly DeviceOption[], kind: string): DeviceOption | undefined {
  const [device, another] = devices.filter(({ driver }) => driver.startsWith(kind));
  if (another !== undefined) throw new ConfigError('BAD_DEVICE', `a machine has one ${kind} at most; leave one out`);
  return device;
}
