/**
 * The host files behind a machine's devices: disk images, their overlays, the serial port's file. They are opened on the main thread
 * before the guest starts, so that what is wrong with one is an error of `start()`, and closed when the vCPU thread has ended.
 *
 * Read before: `plugs.ts`, `disk/openDrive.ts`. Read after: `machine.ts`, which owns one.
 */
import { closeSync } from 'node:fs';
import type { DeviceOption, DriveOption, SerialOption } from '../deviceOptions.js';
import type { Native } from '../native.js';
import { openOutput, unwritable } from '../outputFile.js';
import { closeDrive, openDrive, type DriveSetup } from './disk/openDrive.js';
import type { WorkerSetup } from './messages.js';
import { announceMmio, plugsOf } from './plugs.js';

export interface DeviceOptions {
  /** Disks. */
  readonly drives?: readonly DriveOption[];
  /** Devices besides the disks and the entropy device, which is always there. */
  readonly devices?: readonly DeviceOption[];
  /** Where the serial port COM1 leads. Default 'stdio', which is the machine's console. */
  readonly serial?: SerialOption;
}

export class DeviceFiles {
  private readonly _drives: DriveSetup[] = [];
  private _serialFd: number | undefined;

  /**
   * @param hasChannels whether the machine has named channels
   * @returns the devices for the vCPU thread, and what the kernel's command line is to say of them
   * @throws ConfigError, HostError as `plugsOf` and `openDrive` do, HostError `FILE_UNWRITABLE` for the serial port's file
   */
  open(
    { drives = [], devices = [], serial = 'stdio' }: DeviceOptions,
    hasChannels: boolean,
    native: Native | undefined,
  ): { readonly setup: Pick<WorkerSetup, 'virtio' | 'serial'>; readonly announcement: string } {
    const plugs = plugsOf(drives, devices, hasChannels);
    const virtio = plugs.map((plug) => {
      if (plug.kind !== 'block') return plug;
      const drive = openDrive(plug.drive, native);
      this._drives.push(drive);
      return { ...plug, drive };
    });
    const mmioCount = plugs.filter((plug) => plug.transport === 'mmio').length;
    return { setup: { virtio, serial: this._openSerial(serial) }, announcement: announceMmio(mmioCount) };
  }

  close(): void {
    for (const drive of this._drives) closeDrive(drive);
    if (this._serialFd !== undefined) closeSync(this._serialFd);
  }

  private _openSerial(serial: SerialOption): WorkerSetup['serial'] {
    if (serial === 'stdio' || serial === 'null') return serial;
    const name = serial.slice('file:'.length);
    try {
      this._serialFd = openOutput(name);
    } catch (error) {
      throw unwritable(name, 'the serial port', error);
    }
    return { name, fd: this._serialFd };
  }
}
