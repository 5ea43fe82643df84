/**
 * The event accounts port, an extension of this machine (no PC has it): what became of the events of each interrupt line, so that a
 * guest can show it beside its own counts.
 *
 *     base + 0  write32: select (irq << 8) | field
 *     base + 4  read32:  the selected value, its low 32 bits
 *
 * Read before: `../irq/accounts.ts`. Read after: nothing.
 */
import type { EventAccounts } from '../irq/accounts.js';
import { IRQ_COUNT } from '../irq/record.js';
import type { PortDevice } from './bus.js';

/** What can be selected; latencies are nanoseconds from record to acknowledge, 0 = no delivery yet. */
export const enum AccountField {
  Signature = 0,
  Raised = 1,
  Merged = 2,
  Delivered = 3,
  LastLatency = 4,
  HighestLatency = 5,
  /** Of the last 1024 deliveries. */
  MedianLatency = 6,
  /** Events that the guest threw away by initializing the 8259. */
  Discarded = 7,
}

/** "ACCT", first letter in the lowest byte. */
export const ACCOUNTS_SIGNATURE = 0x54434341;

const SELECT = 0;
const VALUE = 4;
const ALL_ONES = 0xffff_ffff;

export class AccountsPort implements PortDevice {
  private _selected = 0;

  constructor(private readonly _accounts: EventAccounts) {}

  readPort(offset: number, size: 1 | 2 | 4): number {
    if (size !== 4) return 2 ** (8 * size) - 1;
    if (offset === SELECT) return this._selected;
    return offset === VALUE ? this._value() : ALL_ONES;
  }

  writePort(offset: number, size: 1 | 2 | 4, value: number): void {
    if (offset === SELECT && size === 4) this._selected = value >>> 0;
  }

  private _value(): number {
    const irq = this._selected >>> 8;
    if (irq >= IRQ_COUNT) return ALL_ONES;
    switch ((this._selected & 0xff) as AccountField) {
      case AccountField.Signature:
        return ACCOUNTS_SIGNATURE;
      case AccountField.Raised:
        return this._accounts.raised(irq) >>> 0;
      case AccountField.Merged:
        return this._accounts.merged(irq) >>> 0;
      case AccountField.Delivered:
        return this._accounts.delivered(irq) >>> 0;
      case AccountField.LastLatency:
        return this._accounts.latency(irq).lastNs;
      case AccountField.HighestLatency:
        return this._accounts.latency(irq).highestNs;
      case AccountField.MedianLatency:
        return this._accounts.latency(irq).medianNs;
      case AccountField.Discarded:
        return this._accounts.discarded(irq) >>> 0;
      default:
        return ALL_ONES;
    }
  }
}
