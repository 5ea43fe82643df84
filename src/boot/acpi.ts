/**
 * The ACPI tables that a kernel finds in the BIOS area, as a BIOS would have left them there.
 *
 *     0x000F0000 ┬ RSDP, which kernels look for on 16-byte boundaries from 0xE0000 on
 *                ├ RSDT ─► FADT ─► FACS, DSDT
 *     0x00100000 ┴
 *
 * There is no MADT, for the machine has no APIC: kernels use the 8259 pair. The machine is always in ACPI mode, for it has no BIOS to
 * leave it to. References are to the ACPI Specification 6.5. Read before: `dsdt.ts`. Read after: `index.ts`.
 */
import {
  ACPI_PORT_BASE,
  AcpiPort,
  ACPI_SCI_IRQ,
  PM1_CONTROL_BYTES,
  PM1_EVENT_BYTES,
  PM_TIMER_BYTES,
} from '../devices/acpiPower.js';
import { RESET_CONTROL_PORT, RESET_WHOLE_BOARD } from '../devices/debugPorts.js';
import { Cmos } from '../devices/rtcTime.js';
import { boardTerms } from './dsdt.js';

/** Where the tables begin: the start of the BIOS area, which the memory map reserves. */
export const ACPI_TABLES_PHYS = 0xf0000;

const RSDP_BYTES = 20;
const HEADER_BYTES = 36;
const FADT_BYTES = 244;
const FACS_BYTES = 64;
/** FACS and, by custom, the others begin on such a boundary. (5.2.10 "Firmware ACPI Control Structure") */
const ALIGNMENT = 64;

const OEM_ID = 'ROMULU';
const OEM_TABLE_ID = 'ROMULUS ';
const CREATOR_ID = 'RMLS';

/** Fixed ACPI description table: offsets. (5.2.9) */
const enum Fadt {
  FirmwareCtrl = 36,
  Dsdt = 40,
  SciInt = 46,
  Pm1aEventBlock = 56,
  Pm1aControlBlock = 64,
  PmTimerBlock = 76,
  Pm1EventLength = 88,
  Pm1ControlLength = 89,
  PmTimerLength = 91,
  C2Latency = 96,
  C3Latency = 98,
  Century = 108,
  BootArchitecture = 109,
  Flags = 112,
  ResetRegister = 116,
  ResetValue = 128,
  ExtendedPm1aEventBlock = 148,
  ExtendedPm1aControlBlock = 172,
  ExtendedPmTimerBlock = 208,
}

/** A latency beyond these says that there is no such state. (5.2.9, P_LVL2_LAT, P_LVL3_LAT) */
const NO_C2 = 101;
const NO_C3 = 1001;

/** 5.2.9.3 "IA-PC Boot Architecture Flags". The bit of the 8042 is not set: no keyboard can be plugged in, and probing takes time. */
const enum BootArchitecture {
  LegacyDevices = 1 << 0,
  NoVga = 1 << 2,
  NoMsi = 1 << 3,
}

/** 5.2.9.2 "Fixed ACPI Description Table Fixed Feature Flags". */
const enum FadtFlag {
  Wbinvd = 1 << 0,
  /** All processors have C1. */
  C1 = 1 << 2,
  /** No fixed sleep button. */
  NoSleepButton = 1 << 5,
  /** RTC wake-up does not stand in the fixed registers. */
  NoFixedRtc = 1 << 6,
  TimerOf32Bits = 1 << 8,
  ResetRegister = 1 << 10,
  Headless = 1 << 12,
}

const AddressSpace = { Io: 1 } as const;
/** Access size codes of a generic address. (5.2.3.2) */
const ACCESS_CODE: Readonly<Record<number, number>> = { 1: 1, 2: 2, 4: 3 };

const align = (value: number): number => Math.ceil(value / ALIGNMENT) * ALIGNMENT;

/** Makes the bytes of `table` sum up to 0. */
function setChecksum(table: Uint8Array, at: number): void {
  table[at] = 0;
  table[at] = -table.reduce((sum, byte) => sum + byte, 0) & 0xff;
}

/** A table with its header. (5.2.6 "System Description Table Header") */
function table(signature: string, revision: number, body: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES + body.length);
  bytes.write(signature, 0, 'latin1');
  bytes.writeUInt32LE(bytes.length, 4);
  bytes[8] = revision;
  bytes.write(OEM_ID, 10, 'latin1');
  bytes.write(OEM_TABLE_ID, 16, 'latin1');
  bytes.writeUInt32LE(1, 24);
  bytes.write(CREATOR_ID, 28, 'latin1');
  bytes.writeUInt32LE(1, 32);
  bytes.set(body, HEADER_BYTES);
  setChecksum(bytes, 9);
  return bytes;
}

function fadt(facsPhys: number, dsdtPhys: number): Uint8Array {
  const bytes = Buffer.alloc(FADT_BYTES);
  /** Generic address structure of a register in I/O space. (5.2.3.2) */
  const generic = (at: number, port: number, sizeBytes: number, accessBytes: number): void => {
    bytes.set([AddressSpace.Io, sizeBytes * 8, 0, ACCESS_CODE[accessBytes]], at);
    bytes.writeUInt32LE(port, at + 4);
  };
  bytes.writeUInt32LE(facsPhys, Fadt.FirmwareCtrl);
  bytes.writeUInt32LE(dsdtPhys, Fadt.Dsdt);
  bytes.writeUInt16LE(ACPI_SCI_IRQ, Fadt.SciInt);
  bytes.writeUInt32LE(ACPI_PORT_BASE + AcpiPort.Pm1Status, Fadt.Pm1aEventBlock);
  bytes.writeUInt32LE(ACPI_PORT_BASE + AcpiPort.Pm1Control, Fadt.Pm1aControlBlock);
  bytes.writeUInt32LE(ACPI_PORT_BASE + AcpiPort.PmTimer, Fadt.PmTimerBlock);
  bytes[Fadt.Pm1EventLength] = PM1_EVENT_BYTES;
  bytes[Fadt.Pm1ControlLength] = PM1_CONTROL_BYTES;
  bytes[Fadt.PmTimerLength] = PM_TIMER_BYTES;
  bytes.writeUInt16LE(NO_C2, Fadt.C2Latency);
  bytes.writeUInt16LE(NO_C3, Fadt.C3Latency);
  bytes[Fadt.Century] = Cmos.Century;
  bytes.writeUInt16LE(
    BootArchitecture.LegacyDevices | BootArchitecture.NoVga | BootArchitecture.NoMsi,
    Fadt.BootArchitecture,
  );
  bytes.writeUInt32LE(
    FadtFlag.Wbinvd |
      FadtFlag.C1 |
      FadtFlag.NoSleepButton |
      FadtFlag.NoFixedRtc |
      FadtFlag.TimerOf32Bits |
      FadtFlag.ResetRegister |
      FadtFlag.Headless,
    Fadt.Flags,
  );
  generic(Fadt.ResetRegister, RESET_CONTROL_PORT, 1, 1);
  bytes[Fadt.ResetValue] = RESET_WHOLE_BOARD;
  generic(Fadt.ExtendedPm1aEventBlock, ACPI_PORT_BASE + AcpiPort.Pm1Status, PM1_EVENT_BYTES, 2);
  generic(Fadt.ExtendedPm1aControlBlock, ACPI_PORT_BASE + AcpiPort.Pm1Control, PM1_CONTROL_BYTES, 2);
  generic(Fadt.ExtendedPmTimerBlock, ACPI_PORT_BASE + AcpiPort.PmTimer, PM_TIMER_BYTES, 4);
  return table('FACP', 3, bytes.subarray(HEADER_BYTES));
}

/** 5.2.10: a signature and a length, no checksum; the rest is for the operating system to write. */
function facs(): Uint8Array {
  const bytes = Buffer.alloc(FACS_BYTES);
  bytes.write('FACS', 0, 'latin1');
  bytes.writeUInt32LE(FACS_BYTES, 4);
  bytes[32] = 1;
  return bytes;
}

function rsdt(tablePhys: readonly number[]): Uint8Array {
  return table('RSDT', 1, new Uint8Array(new Uint32Array(tablePhys).buffer));
}

/** 5.2.5.3 "Root System Description Pointer (RSDP) Structure", revision 0: nothing here lies above 4 GiB. */
function rsdp(rsdtPhys: number): Uint8Array {
  const bytes = Buffer.alloc(RSDP_BYTES);
  bytes.write('RSD PTR ', 0, 'latin1');
  bytes.write(OEM_ID, 9, 'latin1');
  bytes.writeUInt32LE(rsdtPhys, 16);
  setChecksum(bytes, 8);
  return bytes;
}

/**
 * All tables in one piece.
 *
 * @param phys where the piece is going to lie, on a 64-byte boundary
 */
export function acpiTables(phys: number = ACPI_TABLES_PHYS): Uint8Array {
  const facsPhys = phys + align(RSDP_BYTES);
  const dsdtPhys = facsPhys + align(FACS_BYTES);
  const dsdt = table('DSDT', 1, Uint8Array.from(boardTerms()));
  const fadtPhys = dsdtPhys + align(dsdt.length);
  const rsdtPhys = fadtPhys + align(FADT_BYTES);
  const root = rsdt([fadtPhys]);
  const bytes = new Uint8Array(rsdtPhys + root.length - phys);
  bytes.set(rsdp(rsdtPhys), 0);
  bytes.set(facs(), facsPhys - phys);
  bytes.set(dsdt, dsdtPhys - phys);
  bytes.set(fadt(facsPhys, dsdtPhys), fadtPhys - phys);
  bytes.set(root, rsdtPhys - phys);
  return bytes;
}
