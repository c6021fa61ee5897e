/**
 * Where a time axis has its marks: on round wall-clock times of the site, right across daylight saving,
 * whatever zone the browser is in.
 */
import { zoned } from './range';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const STEPS_MS = [
  MINUTE_MS,
  2 * MINUTE_MS,
  5 * MINUTE_MS,
  10 * MINUTE_MS,
  15 * MINUTE_MS,
  30 * MINUTE_MS,
  HOUR_MS,
  2 * HOUR_MS,
  3 * HOUR_MS,
  6 * HOUR_MS,
  12 * HOUR_MS,
  DAY_MS,
  2 * DAY_MS,
  7 * DAY_MS,
  14 * DAY_MS,
  28 * DAY_MS,
];

export interface Tick {
  at: number;
  /** A tick at local midnight is labelled with its date. */
  midnight: boolean;
}

/** The smallest round step that gives at most `ticksMax` marks. */
export function tickStep(spanMs: number, ticksMax: number): number {
  return STEPS_MS.find((step) => spanMs / step <= ticksMax) ?? 28 * DAY_MS;
}

/** Marks in [from, to], both ends included. */
export function ticks(from: number, to: number, step: number, tz: string): Tick[] {
  return step < HOUR_MS
    ? minuteTicks(from, to, step, tz)
    : step < DAY_MS
      ? hourTicks(from, to, step, tz)
      : dayTicks(from, to, step, tz);
}

/** The last mark at or before an instant, for choosing where an axis begins. */
export function floorToTick(at: number, step: number, tz: string): number {
  const before = ticks(at - Math.max(step, HOUR_MS) * 2, at, step, tz);
  return before.at(-1)?.at ?? at;
}

/** The first mark at or after an instant. */
export function ceilToTick(at: number, step: number, tz: string): number {
  return ticks(at, at + Math.max(step, HOUR_MS) * 2, step, tz)[0]?.at ?? at;
}

function minuteTicks(from: number, to: number, step: number, tz: string): Tick[] {
  // offsets are multiples of a quarter of an hour, but not of every step: align to the wall clock
  const offset = zoned(from, tz).offsetNanoseconds / 1e6;
  const found: Tick[] = [];
  for (let wall = Math.ceil((from + offset) / step) * step; wall - offset <= to; wall += step) {
    found.push({ at: wall - offset, midnight: wall % DAY_MS === 0 });
  }
  return found;
}

function hourTicks(from: number, to: number, step: number, tz: string): Tick[] {
  const hours = step / HOUR_MS;
  const found: Tick[] = [];
  let day = zoned(from, tz).toPlainDate();
  while (day.toZonedDateTime(tz).epochMilliseconds <= to) {
    for (let hour = 0; hour < 24; hour += hours) {
      const at = day.toZonedDateTime({ timeZone: tz, plainTime: { hour } }).epochMilliseconds;
      // an hour that the clocks skip lands on the next one, which is a mark of its own
      if (at >= from && at <= to && at !== found.at(-1)?.at) found.push({ at, midnight: hour === 0 });
    }
    day = day.add({ days: 1 });
  }
  return found;
}

function dayTicks(from: number, to: number, step: number, tz: string): Tick[] {
  const days = step / DAY_MS;
  const found: Tick[] = [];
  let day = zoned(from, tz).toPlainDate();
  if (days >= 7) day = day.subtract({ days: day.dayOfWeek - 1 });
  for (;;) {
    const at = day.toZonedDateTime(tz).epochMilliseconds;
    if (at > to) return found;
    if (at >= from) found.push({ at, midnight: true });
    day = day.add({ days });
  }
}
