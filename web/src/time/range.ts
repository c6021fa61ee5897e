/**
 * From the words of the URL (`today`, `now-24h`, `2026-11-24`, RFC 3339) to instants and back, always in
 * the site's zone. Instants are epoch milliseconds; what the local day is, `Temporal` decides.
 */

const SECOND_MS = 1_000;
const UNIT_MS = { s: SECOND_MS, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof UNIT_MS;

const DURATION = /^(\d{1,6})([smhd])$/;
const AGO = /^now-(\d{1,6})([smhd])$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const STAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/;

export interface Range {
  from: number;
  to: number;
}

/** Milliseconds of `60s`, `5m`, `1h`, `1d`; null for anything else. */
export function parseDuration(text: string): number | null {
  const match = DURATION.exec(text);
  if (!match) return null;
  const ms = Number(match[1]) * UNIT_MS[match[2] as Unit];
  return ms > 0 ? ms : null;
}

/** True for a word that may stand as `start` or `end` in the URL. */
export function isTimeWord(text: string): boolean {
  if (text === 'now' || text === 'today' || text === 'week' || AGO.test(text)) return true;
  if (DATE.test(text)) return isRealDate(text);
  return STAMP.test(text) && !Number.isNaN(Date.parse(text));
}

function isRealDate(text: string): boolean {
  try {
    Temporal.PlainDate.from(text, { overflow: 'reject' });
    return true;
  } catch {
    return false;
  }
}

/** True if the word means something else tomorrow. */
export function isRelative(word: string): boolean {
  return word === 'now' || word === 'today' || word === 'week' || AGO.test(word);
}

/** The instant a word stands for, given the present one. */
export function resolve(word: string, now: number, tz: string): number {
  if (word === 'now') return now;
  if (word === 'today') return startOfDay(now, tz);
  if (word === 'week') return startOfWeek(now, tz);
  const ago = AGO.exec(word);
  if (ago) return now - Number(ago[1]) * UNIT_MS[ago[2] as Unit];
  if (DATE.test(word)) return Temporal.PlainDate.from(word).toZonedDateTime(tz).epochMilliseconds;
  return Date.parse(word);
}

export function zoned(at: number, tz: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(Math.round(at)).toZonedDateTimeISO(tz);
}

/** Local midnight, or the first moment of a day that has none. */
export function startOfDay(at: number, tz: string): number {
  return zoned(at, tz).startOfDay().epochMilliseconds;
}

function startOfWeek(at: number, tz: string): number {
  const day = zoned(at, tz).toPlainDate();
  return day.subtract({ days: day.dayOfWeek - 1 }).toZonedDateTime(tz).epochMilliseconds;
}

export function isMidnight(at: number, tz: string): boolean {
  return startOfDay(at, tz) === at;
}

/** RFC 3339 with the zone's offset at that instant, to the second: what Pin times and the CSV write. */
export function stamp(at: number, tz: string): string {
  return zoned(at, tz).toString({ timeZoneName: 'never', smallestUnit: 'second' });
}

/** The `YYYY-MM-DD` of an instant at the site. */
export function localDate(at: number, tz: string): string {
  return zoned(at, tz).toPlainDate().toString();
}

/** The value of an `<input type="datetime-local">` for an instant, in the site's wall time. */
export function toWallTime(at: number, tz: string): string {
  return zoned(at, tz).toPlainDateTime().toString({ smallestUnit: 'minute' });
}

/** The instant of a wall time; of a repeated hour the first, of a skipped one the moment after the gap. */
export function fromWallTime(wall: string, tz: string): number | null {
  try {
    return Temporal.PlainDateTime.from(wall).toZonedDateTime(tz).epochMilliseconds;
  } catch {
    return null;
  }
}

/**
 * The period before (-1) or after (+1): whole days move by calendar days, so a day of 25 hours is still a
 * day; anything else moves by its own length. Null where that would begin in the future.
 */
export function shiftPeriod(range: Range, direction: 1 | -1, now: number, tz: string): Words | null {
  const whole = isMidnight(range.from, tz) && (isMidnight(range.to, tz) || range.to >= now);
  if (!whole) {
    const length = range.to - range.from;
    const from = range.from + direction * length;
    return from >= now ? null : { start: stamp(from, tz), end: stamp(Math.min(from + length, now), tz) };
  }
  const first = zoned(range.from, tz).toPlainDate();
  const last = isMidnight(range.to, tz)
    ? zoned(range.to, tz).toPlainDate()
    : zoned(range.to, tz).toPlainDate().add({ days: 1 });
  const days = direction * Math.max(1, first.until(last).days);
  const start = first.add({ days });
  const end = last.add({ days });
  const startsAt = start.toZonedDateTime(tz).epochMilliseconds;
  if (startsAt > now) return null;
  if (startsAt === startOfDay(now, tz)) return { start: 'today', end: 'now' };
  return {
    start: start.toString(),
    end: end.toZonedDateTime(tz).epochMilliseconds > now ? 'now' : end.toString(),
  };
}

export interface Words {
  start: string;
  end: string;
}

/**
 * Changes when the left edge of a relative range has moved far enough that the series must be asked
 * again: at the site's midnight for `today` and `week`, and each sixtieth of its length for `now-…`.
 */
export function leftEdge(start: string, now: number, tz: string): string {
  const ago = AGO.exec(start);
  if (ago) {
    const slideMs = Math.max(UNIT_MS.m, (Number(ago[1]) * UNIT_MS[ago[2] as Unit]) / 60);
    return String(Math.floor(now / slideMs));
  }
  return isRelative(start) ? localDate(now, tz) : '';
}
