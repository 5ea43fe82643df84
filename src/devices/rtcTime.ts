/**
 * The MC146818's registers as time: which byte is what, BCD or binary, 12 or 24 hours, and when an alarm fires next. Separate from
 * the device because all of it is arithmetic on a register array and a number of seconds.
 * Read before: Motorola MC146818 datasheet, "Time, Calendar, and Alarm Locations". Read after: `mc146818.ts`.
 */

/** CMOS registers; those above 0x0D are the PC's use of the RAM. */
export const enum Cmos {
  Seconds = 0x00,
  SecondsAlarm = 0x01,
  Minutes = 0x02,
  MinutesAlarm = 0x03,
  Hours = 0x04,
  HoursAlarm = 0x05,
  Weekday = 0x06,
  Day = 0x07,
  Month = 0x08,
  Year = 0x09,
  StatusA = 0x0a,
  StatusB = 0x0b,
  StatusC = 0x0c,
  StatusD = 0x0d,
  /** Checksummed range, and the sum, high byte first. */
  ChecksumFirst = 0x10,
  /** KiB below 640 KiB, above 1 MiB as set up and as found, and 64 KiB units above 16 MiB: words, low byte first. */
  BaseMemory = 0x15,
  ExtendedMemory = 0x17,
  ChecksumLast = 0x2d,
  Checksum = 0x2e,
  ExtendedMemoryFound = 0x30,
  Century = 0x32,
  MemoryAbove16Mib = 0x34,
}

export const enum StatusB {
  Hours24 = 1 << 1,
  Binary = 1 << 2,
  Set = 1 << 7,
}

/** Alarm bytes from here on match anything. */
const DONT_CARE = 0xc0;
const PM = 0x80;
const HOUR_S = 3600;
const DAY_S = 86_400;

/** True for the registers that the clock counts. */
export function isTimeRegister(register: number): boolean {
  switch (register as Cmos) {
    case Cmos.Seconds:
    case Cmos.Minutes:
    case Cmos.Hours:
    case Cmos.Weekday:
    case Cmos.Day:
    case Cmos.Month:
    case Cmos.Year:
    case Cmos.Century:
      return true;
    default:
      return false;
  }
}

function encode(value: number, ram: Uint8Array): number {
  return ram[Cmos.StatusB] & StatusB.Binary ? value : (Math.floor(value / 10) << 4) | (value % 10);
}

function decode(byte: number, ram: Uint8Array): number {
  return ram[Cmos.StatusB] & StatusB.Binary ? byte : (byte >> 4) * 10 + (byte & 15);
}

function encodeHour(hour: number, ram: Uint8Array): number {
  if (ram[Cmos.StatusB] & StatusB.Hours24) return encode(hour, ram);
  return encode(hour % 12 || 12, ram) | (hour >= 12 ? PM : 0);
}

function decodeHour(byte: number, ram: Uint8Array): number {
  if (ram[Cmos.StatusB] & StatusB.Hours24) return decode(byte, ram);
  return (decode(byte & ~PM, ram) % 12) + (byte & PM ? 12 : 0);
}

/** Stores the time `second` (seconds since 1970) into the time registers of `ram`, in the format that register B asks for. */
export function fieldsOf(second: number, ram: Uint8Array): void {
  const time = new Date(second * 1000);
  ram[Cmos.Seconds] = encode(time.getUTCSeconds(), ram);
  ram[Cmos.Minutes] = encode(time.getUTCMinutes(), ram);
  ram[Cmos.Hours] = encodeHour(time.getUTCHours(), ram);
  ram[Cmos.Weekday] = encode(time.getUTCDay() + 1, ram);
  ram[Cmos.Day] = encode(time.getUTCDate(), ram);
  ram[Cmos.Month] = encode(time.getUTCMonth() + 1, ram);
  ram[Cmos.Year] = encode(time.getUTCFullYear() % 100, ram);
  ram[Cmos.Century] = encode(Math.floor(time.getUTCFullYear() / 100), ram);
}

/**
 * The time registers of `ram` as seconds since 1970. Deviation: values that are no date count on (day 31 of a short month is the
 * first of the next), and the day of the week follows from the date.
 */
export function secondsOf(ram: Uint8Array): number {
  const year = decode(ram[Cmos.Century], ram) * 100 + decode(ram[Cmos.Year], ram);
  const time = new Date(0);
  time.setUTCFullYear(year, decode(ram[Cmos.Month], ram) - 1, decode(ram[Cmos.Day], ram));
  time.setUTCHours(decodeHour(ram[Cmos.Hours], ram), decode(ram[Cmos.Minutes], ram), decode(ram[Cmos.Seconds], ram));
  return Math.floor(time.getTime() / 1000);
}

/** The first second after `second` that matches the alarm registers; Infinity when they hold no time of day. */
export function nextAlarm(second: number, ram: Uint8Array): number {
  const matches = (register: number, value: number): boolean =>
    ram[register] >= DONT_CARE || decode(ram[register], ram) === value;
  const hourMatches = (value: number): boolean =>
    ram[Cmos.HoursAlarm] >= DONT_CARE || decodeHour(ram[Cmos.HoursAlarm], ram) === value;

  // Skips whole hours and minutes that do not match; a match, if there is one, lies within a day.
  let at = second + 1;
  const end = at + DAY_S + HOUR_S;
  while (at < end) {
    const ofDay = ((at % DAY_S) + DAY_S) % DAY_S;
    if (!hourMatches(Math.floor(ofDay / HOUR_S))) at += HOUR_S - (ofDay % HOUR_S);
    else if (!matches(Cmos.MinutesAlarm, Math.floor(ofDay / 60) % 60)) at += 60 - (ofDay % 60);
    else if (!matches(Cmos.SecondsAlarm, ofDay % 60)) at++;
    else return at;
  }
  return Infinity;
}
