/**
 * The board as ACPI describes it to a kernel: how to power off, the PCI host bridge with its windows and interrupt wiring, and the
 * devices at fixed ports. All of it is names and resources; there is not one method, so nothing of it ever runs.
 *
 * Separate from the tables around it (`acpi.ts`) because this is the part that changes with the board. Read before: `aml.ts`,
 * `../machine/board.ts`. Read after: `acpi.ts`.
 */
import { ACPI_PORT_BASE, ACPI_PORT_COUNT, SLEEP_TYPE_SOFT_OFF } from '../devices/acpiPower.js';
import {
  irqOfSlot,
  PCI_CONFIG_PORT,
  PCI_CONFIG_PORTS,
  PCI_IO_BYTES,
  PCI_IO_START,
  PCI_MEMORY_BYTES,
  PCI_MEMORY_START,
  PCI_SLOTS,
} from '../devices/pci/bus.js';
import { PVPANIC_PORT } from '../devices/pvpanic.js';
import {
  type Aml,
  busWindow,
  device,
  eisaId,
  integer,
  ioPorts,
  ioWindow,
  irqs,
  memoryWindow,
  name,
  packageOf,
  resources,
  scope,
  text,
} from './aml.js';

/** _STA: present, enabled, shown, functioning. (ACPI 6.5, 6.3.7 "_STA") */
const STATUS_ALL = 0xf;

/** A device of the board that is no PCI device. */
function boardDevice(path: string, hid: Aml, ...descriptors: readonly Aml[]): Aml {
  return device(path, name('_HID', hid), name('_CRS', resources(...descriptors)));
}

/** One row a slot: any function of it, pin INTA, no link device in between, the interrupt line. (ACPI 6.5, 6.2.13 "_PRT") */
function pciRouting(): Aml {
  const rows: Aml[] = [];
  for (let slot = 0; slot < PCI_SLOTS; slot++) {
    const address = slot * 0x10000 + 0xffff;
    rows.push(packageOf(integer(address), integer(0), integer(0), integer(irqOfSlot(slot))));
  }
  return packageOf(...rows);
}

/** The definition block's terms. */
export function boardTerms(): Aml {
  const softOff = integer(SLEEP_TYPE_SOFT_OFF);
  return [
    ...name('_S5', packageOf(softOff, softOff, integer(0), integer(0))),
    ...scope(
      '_SB',
      device(
        'PCI0',
        name('_HID', eisaId('PNP0A03')),
        name('_UID', integer(0)),
        name(
          '_CRS',
          resources(
            busWindow(0, 0),
            ioPorts(PCI_CONFIG_PORT, PCI_CONFIG_PORTS),
            ioWindow(PCI_IO_START, PCI_IO_START + PCI_IO_BYTES - 1),
            memoryWindow(PCI_MEMORY_START, PCI_MEMORY_START + PCI_MEMORY_BYTES - 1),
          ),
        ),
        name('_PRT', pciRouting()),
      ),
      boardDevice('PIC', eisaId('PNP0000'), ioPorts(0x20, 2), ioPorts(0xa0, 2), ioPorts(0x4d0, 2), irqs(2)),
      boardDevice('TIMR', eisaId('PNP0100'), ioPorts(0x40, 4), irqs(0)),
      boardDevice('SPKR', eisaId('PNP0800'), ioPorts(0x61, 1)),
      boardDevice('RTC', eisaId('PNP0B00'), ioPorts(0x70, 2), irqs(8)),
      device(
        'COM1',
        name('_HID', eisaId('PNP0501')),
        name('_UID', integer(1)),
        name('_CRS', resources(ioPorts(0x3f8, 8), irqs(4))),
      ),
      // What belongs to the board and to no device of its own: POST code, port A, the event accounts, power management.
      boardDevice(
        'MBRD',
        eisaId('PNP0C02'),
        ioPorts(0x80, 1),
        ioPorts(0x92, 1),
        ioPorts(ACPI_PORT_BASE, ACPI_PORT_COUNT),
        ioPorts(0x6a0, 8),
      ),
      device(
        'PEVT',
        name('_HID', text('QEMU0001')),
        name('_STA', integer(STATUS_ALL)),
        name('_CRS', resources(ioPorts(PVPANIC_PORT, 1))),
      ),
    ),
  ];
}
