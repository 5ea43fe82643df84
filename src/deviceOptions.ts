/**
 * The options that plug devices into a machine, in QEMU's spelling: `-drive`, `-device`, `-serial`. Text and API values become the same
 * objects here; what they plug in is worked out in `machine/plugs.ts`.
 *
 * Separate from `options.ts` because their values are lists of keys of their own. Read before: `errors.ts`. Read after: `options.ts`.
 */
import { ConfigError } from './errors.js';

/** A disk. */
export interface DriveOption {
  /** Raw image; its size is the disk's. */
  readonly file: string;
  /** 'virtio' (the default) plugs it in as a PCI device; 'none' leaves that to a device that names its `id`. */
  readonly if?: 'virtio' | 'none';
  readonly id?: string;
  /** Only 'raw': an image of another format would show the guest its own headers. */
  readonly format?: 'raw';
  readonly readonly?: boolean;
  /** What the guest writes goes to a temporary file and is gone with the machine. */
  readonly snapshot?: boolean;
  /** What the guest writes goes to this file, which is made if it is not there; the image itself stays as it is. */
  readonly overlay?: string;
  /** The disk's serial number, at most 20 characters; default: its id, or `driveN`. */
  readonly serial?: string;
}

/** Devices that can be plugged in: `-pci` ones on the PCI bus, `-device` ones as virtio-mmio. */
export const driverNames = [
  'virtio-blk-pci',
  'virtio-blk-device',
  'virtio-rng-pci',
  'virtio-rng-device',
  'virtio-serial-pci',
  'virtio-serial-device',
  'virtconsole',
] as const;
export type DriverName = (typeof driverNames)[number];

export interface DeviceOption {
  /** `virtconsole` is the console hvc0 of the virtio-serial device, which comes with it. */
  readonly driver: DriverName;
  /** For virtio-blk: the `id` of its drive. */
  readonly drive?: string;
}

/** Where COM1 leads: to `machine.console` ('stdio', the default), nowhere, or into a file. */
export type SerialOption = 'stdio' | 'null' | `file:${string}`;

const SERIAL_CHARACTERS = 20;

/** Splits `key=value,key=value`; a doubled comma stands for a comma, as in QEMU. The first word may stand alone. */
function parseKeys(text: string, what: string, firstKey: string): Map<string, string> {
  const keys = new Map<string, string>();
  const words = text.split(/(?<!,),(?!,)/).map((word) => word.replaceAll(',,', ','));
  words.forEach((word, index) => {
    const [, key, value] = /^([a-z]+)=(.*)$/s.exec(word) ?? (index === 0 ? ['', firstKey, word] : []);
    if (key === undefined || value === undefined || value === '')
      throw new ConfigError('BAD_OPTION', `'${word}' in ${what} '${text}' is not understood; write KEY=VALUE`);
    if (keys.has(key)) throw new ConfigError('BAD_OPTION', `${what} '${text}' gives '${key}' twice`);
    keys.set(key, value);
  });
  return keys;
}

function parseSwitch(value: string, key: string): boolean {
  if (value === 'on' || value === 'off') return value === 'on';
  throw new ConfigError('BAD_DRIVE', `'${key}=${value}' of a drive is not possible; give on or off`);
}

/**
 * Parses `file=IMAGE,if=virtio,format=raw,readonly=on,snapshot=on,overlay=FILE`.
 *
 * @throws ConfigError `BAD_OPTION`, `BAD_DRIVE`
 */
export function parseDrive(text: string): DriveOption {
  const keys = parseKeys(text, 'drive', 'file');
  const drive: Record<string, unknown> = Object.fromEntries(keys);
  for (const key of ['readonly', 'snapshot']) if (keys.has(key)) drive[key] = parseSwitch(keys.get(key)!, key);
  checkDrives([drive]);
  return drive as unknown as DriveOption;
}

const DRIVE_KEYS = ['file', 'if', 'id', 'format', 'readonly', 'snapshot', 'overlay', 'serial'];

/** Throws `BAD_DRIVE` unless `value` is a list of drives. */
export function checkDrives(value: unknown): void {
  if (!Array.isArray(value)) throw badDrive('drives must be an array of { file, ... }');
  for (const drive of value as Partial<Record<string, unknown>>[]) {
    const unknown = Object.keys(drive).find((key) => !DRIVE_KEYS.includes(key));
    if (unknown !== undefined) throw badDrive(`a drive has no '${unknown}'; it takes ${DRIVE_KEYS.join(', ')}`);
    for (const key of ['file', 'id', 'overlay', 'serial'])
      if (drive[key] !== undefined && (typeof drive[key] !== 'string' || drive[key] === ''))
        throw badDrive(`'${key}' of a drive must be text`);
    for (const key of ['readonly', 'snapshot'])
      if (drive[key] !== undefined && typeof drive[key] !== 'boolean')
        throw badDrive(`'${key}' of a drive must be true or false`);
    if (drive.file === undefined) throw badDrive('a drive needs an image; give file=IMAGE');
    if (drive.if !== undefined && drive.if !== 'virtio' && drive.if !== 'none')
      throw badDrive(
        `'if=${shown(drive.if)}' of a drive is not there; give virtio, or none and a -device that names the id`,
      );
    if (drive.format !== undefined && drive.format !== 'raw')
      throw badDrive(
        `format '${shown(drive.format)}' is not read here; convert the image with qemu-img convert -O raw`,
      );
    if (drive.overlay !== undefined && (drive.snapshot === true || drive.readonly === true))
      throw badDrive(
        'a drive keeps what is written in an overlay, throws it away (snapshot) or takes none (readonly); give one of them',
      );
    if (typeof drive.serial === 'string' && drive.serial.length > SERIAL_CHARACTERS)
      throw badDrive(`the serial number '${drive.serial}' is longer than ${SERIAL_CHARACTERS} characters`);
  }
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : typeof value);
const badDrive = (message: string): ConfigError => new ConfigError('BAD_DRIVE', message);

/**
 * Parses `virtio-rng-pci`, `virtconsole`, `virtio-blk-device,drive=ID`.
 *
 * @throws ConfigError `BAD_OPTION`, `BAD_DEVICE`
 */
export function parseDevice(text: string): DeviceOption {
  const keys = parseKeys(text, 'device', 'driver');
  const device = Object.fromEntries(keys);
  checkDevices([device]);
  return device as unknown as DeviceOption;
}

/** Throws `BAD_DEVICE` unless `value` is a list of devices. */
export function checkDevices(value: unknown): void {
  if (!Array.isArray(value)) throw new ConfigError('BAD_DEVICE', 'devices must be an array of { driver, ... }');
  for (const { driver, drive, ...others } of value as Partial<Record<string, unknown>>[]) {
    if (!(driverNames as readonly unknown[]).includes(driver))
      throw new ConfigError('BAD_DEVICE', `there is no device '${String(driver)}'; give ${driverNames.join(', ')}`);
    const isBlock = String(driver).startsWith('virtio-blk');
    if (isBlock !== (typeof drive === 'string'))
      throw new ConfigError(
        'BAD_DEVICE',
        isBlock ? `${String(driver)} needs drive=ID of a drive with if=none` : `${String(driver)} takes no drive`,
      );
    const other = Object.keys(others)[0];
    if (other !== undefined)
      throw new ConfigError('BAD_DEVICE', `${String(driver)} has no property '${other}' here; leave it out`);
  }
}

/**
 * Parses `stdio`, `mon:stdio` (the same: Ctrl-A is the monitor), `null` and `file:PATH`.
 *
 * @throws ConfigError `BAD_SERIAL`
 */
export function parseSerial(text: string): SerialOption {
  const serial = text === 'mon:stdio' ? 'stdio' : text === 'none' ? 'null' : text;
  checkSerial(serial);
  return serial as SerialOption;
}

/** Throws `BAD_SERIAL` unless `value` says where COM1 can lead. */
export function checkSerial(value: unknown): void {
  if (value === 'stdio' || value === 'null' || (typeof value === 'string' && /^file:./.test(value))) return;
  throw new ConfigError(
    'BAD_SERIAL',
    `the serial port cannot lead to '${String(value)}'; give stdio, null or file:PATH`,
  );
}
