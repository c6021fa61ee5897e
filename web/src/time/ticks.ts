/**
 * Where a time axis has its marks: on round wall-clock times of the site, right across daylight saving,
 * whatever zone the browser is in.
 */
import { zoned } from './range';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
/** Stands for a month of the calendar, whatever its length. */
const MONTH_MS = 30 * DAY_MS;
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
  MONTH_MS,
  3 * MONTH_MS,
  6 * MONTH_MS,
  12 * MONTH_MS,
];

const EPOCH_DAY = '1970-01-01';
const MONDAY = '1970-01-05';

export interface Tick {
  at: number;
  /** A tick at local midnight is labelled with its date. */
  midnight: boolean;
}

/** The smallest round step that gives at most `ticksMax` marks. */
export function tickStep(spanMs: number, ticksMax: number): number {
  return STEPS_MS.find((step) => spanMs / step <= ticksMax) ?? 12 * MONTH_MS;
}

/** Marks in [from, to], both ends included. */
export function ticks(from: number, to: number, step: number, tz: string): Tick[] {
  if (step < HOUR_MS) return minuteTicks(from, to, step, tz);
  if (step < DAY_MS) return hourTicks(from, to, step, tz);
  return step < MONTH_MS ? dayTicks(from, to, step, tz) : monthTicks(from, to, step, tz);
}

/** The last mark at or before an instant, for choosing where an axis begins. */
export function floorToTick(at: number, step: number, tz: string): number {
  const before = ticks(at - Math.max(step, HOUR_MS) * 3, at, step, tz);
  return before.at(-1)?.at ?? at;
}

/** The first mark at or after an instant. */
export function ceilToTick(at: number, step: number, tz: string): number {
  return ticks(at, at + Math.max(step, HOUR_MS) * 3, step, tz)[0]?.at ?? at;
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
  const first = zoned(from, tz).toPlainDate();
  // weeks begin on Monday; other steps count from a fixed day, so that marks do not wander with the range
  const since = days >= 7 ? daysSince(MONDAY, first) % days : daysSince(EPOCH_DAY, first) % days;
  return midnights(first.subtract({ days: since }), { days }, { from, to }, tz);
}

function daysSince(day: string, date: Temporal.PlainDate): number {
  return Temporal.PlainDate.from(day).until(date).days;
}

function monthTicks(from: number, to: number, step: number, tz: string): Tick[] {
  const months = step / MONTH_MS;
  const first = zoned(from, tz).toPlainDate().with({ day: 1 });
  return midnights(first.subtract({ months: (first.month - 1) % months }), { months }, { from, to }, tz);
}

function midnights(
  first: Temporal.PlainDate,
  step: { days: number } | { months: number },
  bounds: { from: number; to: number },
  tz: string,
): Tick[] {
  const found: Tick[] = [];
  for (let day = first; ; day = day.add(step)) {
    const at = day.toZonedDateTime(tz).epochMilliseconds;
    if (at > bounds.to) return found;
    if (at >= bounds.from) found.push({ at, midnight: true });
  }
}
