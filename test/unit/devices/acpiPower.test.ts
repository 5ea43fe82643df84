import assert from 'node:assert/strict';
import { ACPI_PORT_BASE, ACPI_PORT_COUNT, AcpiPower, PM_TIMER_HZ } from '../../../src/devices/acpiPower.js';
import { PortBus } from '../../../src/devices/bus.js';
import { PVPANIC_PORT, Pvpanic } from '../../../src/devices/pvpanic.js';
import { CountingTrigger, machineTime } from './fixtures.js';

const STATUS = ACPI_PORT_BASE;
const ENABLE = ACPI_PORT_BASE + 2;
const CONTROL = ACPI_PORT_BASE + 4;
const TIMER = ACPI_PORT_BASE + 8;

function machine() {
  const { clock, deadlines } = machineTime();
  const sci = new CountingTrigger();
  const bus = new PortBus();
  let offs = 0;
  bus.attach('ACPI power', ACPI_PORT_BASE, ACPI_PORT_COUNT, new AcpiPower(sci, deadlines, () => offs++));
  return { bus, clock, deadlines, sci, offs: () => offs };
}

describe('ACPI power management', () => {
  it('powers off at sleep type 0 with the enable bit, written whole or by bytes, and at nothing else', () => {
    for (const write of [
      (bus: PortBus) => bus.write(CONTROL, 2, 0x2000),
      (bus: PortBus) => bus.write(CONTROL + 1, 1, 0x20),
    ]) {
      const { bus, offs } = machine();
      bus.write(CONTROL, 2, 0x1c00);
      bus.write(CONTROL, 2, 0x3c00);
      assert.equal(offs(), 0, 'sleep type 7');
      bus.write(CONTROL, 2, 0x0000);
      assert.equal(offs(), 0, 'no enable bit');
      write(bus);
      assert.equal(offs(), 1);
    }
  });

  it('is in ACPI mode for good and reads the enable bit as 0', () => {
    const { bus } = machine();
    bus.write(CONTROL, 2, 0x3402);
    assert.equal(bus.read(CONTROL, 2), 0x1403);
    assert.equal(bus.read(CONTROL, 1), 0x03);
    assert.equal(bus.read(CONTROL + 1, 1), 0x14);
    assert.equal(bus.read(CONTROL, 4), 0x1403);
  });

  it('the timer counts 3.579545 MHz in 32 bits, whole or in parts, and ignores writes', () => {
    const { bus, clock } = machine();
    clock.advance(1e9);
    assert.equal(bus.read(TIMER, 4), PM_TIMER_HZ);
    assert.equal(bus.read(TIMER, 2), PM_TIMER_HZ & 0xffff);
    assert.equal(bus.read(TIMER + 1, 2), (PM_TIMER_HZ >> 8) & 0xffff);
    bus.write(TIMER, 4, 0);
    assert.equal(bus.read(TIMER, 4), PM_TIMER_HZ);
    clock.advance(Math.ceil((2 ** 32 * 1e9) / PM_TIMER_HZ));
    assert.equal(bus.read(TIMER, 4), PM_TIMER_HZ, 'a turn later');
  });

  it('the highest bit of the timer sets a status that a written 1 clears', () => {
    const { bus, clock } = machine();
    assert.equal(bus.read(STATUS, 2), 0);
    clock.advance(600e9);
    assert.equal(bus.read(STATUS, 2), 1);
    bus.write(STATUS, 2, 0xfffe);
    assert.equal(bus.read(STATUS, 2), 1);
    bus.write(STATUS, 2, 1);
    assert.equal(bus.read(STATUS, 2), 0);
  });

  it('raises SCI by itself when the timer event is enabled, and holds it until the status is cleared', () => {
    const { bus, clock, deadlines, sci } = machine();
    assert.equal(deadlines.nextNs, Infinity, 'nothing is due for a guest that has not asked');
    bus.write(ENABLE, 2, 1);
    clock.advance(599e9);
    assert.equal(sci.level, false);
    clock.advance(2e9);
    assert.equal(sci.level, true);
    assert.equal(deadlines.nextNs, Infinity);
    bus.write(STATUS, 1, 1);
    assert.equal(sci.level, false);
    clock.advance(600e9);
    assert.equal(sci.rises, 2);
    bus.write(ENABLE, 2, 0);
    assert.equal(sci.level, false);
  });

  it('keeps the enable bits of the sources there are', () => {
    const { bus } = machine();
    bus.write(ENABLE, 2, 0xffff);
    assert.equal(bus.read(ENABLE, 2), 0x0521);
    assert.equal(bus.read(STATUS, 4), 0x0521_0000);
  });
});

describe('pvpanic', () => {
  it('tells what it takes and passes on what it is told', () => {
    const told: string[] = [];
    const bus = new PortBus();
    const device = new Pvpanic(
      () => told.push('panicked'),
      () => told.push('crash loaded'),
    );
    bus.attach('pvpanic', PVPANIC_PORT, 1, device);
    assert.equal(bus.read(PVPANIC_PORT, 1), 3);
    for (const value of [0, 4, 2, 1]) bus.write(PVPANIC_PORT, 1, value);
    assert.deepEqual(told, ['crash loaded', 'panicked']);
  });
});
