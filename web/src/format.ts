/**
 * How values are printed: numbers, shares, speeds, lengths of time, and instants in the site's zone. The
 * only module that turns a value into text; made once per locale and zone.
 */

import type { Catalogue, Translate } from './i18n/catalogue';
import { makeTranslate } from './i18n/catalogue';

export interface Format {
  readonly locale: string;
  readonly tz: string;
  /** `1,204` */
  count(value: number): string;
  /** `86%`, from a share of 0..1 */
  percent(share: number): string;
  /** `1.34` metres a second */
  speed(value: number): string;
  /** `2.0`, with that many digits after the point */
  decimal(value: number, digits: number): string;
  /** `11:20` */
  time(at: number): string;
  /** `11:20:16` */
  clock(at: number): string;
  /** `Tue 24 Nov 2026` */
  date(at: number): string;
  /** `Tue 24` */
  day(at: number): string;
  /** `24 Nov` */
  dayMonth(at: number): string;
  /** `24 Nov 06:00`, or `06:00` when that is today */
  dayTime(at: number, today: number): string;
  /** `2 s`, `14 min`, `3 h 10 min`: the two largest units that matter */
  duration(ms: number): string;
  /** `Library, Café and Sports hall` */
  list(items: string[]): string;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export function makeFormat(locale: string, tz: string): Format {
  const count = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const percent = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 });
  const speed = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const at = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat(locale, { timeZone: tz, hourCycle: 'h23', ...options });
  const time = at({ hour: '2-digit', minute: '2-digit' });
  const clock = at({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
  const date = at({ weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' });
  const day = at({ weekday: 'short', day: 'numeric' });
  const dayMonth = at({ day: 'numeric', month: 'short' });
  const sameDay = at({ day: 'numeric', month: 'numeric', year: 'numeric' });
  const list = new Intl.ListFormat(locale, { type: 'conjunction' });
  const days = new Intl.NumberFormat(locale, { style: 'unit', unit: 'day', unitDisplay: 'long' });

  const parts = (ms: number): string => {
    if (ms < MINUTE_MS) return `${count.format(Math.max(0, Math.round(ms / 1_000)))} s`;
    if (ms < HOUR_MS) return `${count.format(Math.floor(ms / MINUTE_MS))} min`;
    if (ms < 2 * DAY_MS) {
      const minutes = Math.floor((ms % HOUR_MS) / MINUTE_MS);
      const hours = `${count.format(Math.floor(ms / HOUR_MS))} h`;
      return minutes === 0 ? hours : `${hours} ${count.format(minutes)} min`;
    }
    return days.format(Math.floor(ms / DAY_MS));
  };

  return {
    locale,
    tz,
    count: (value) => count.format(value),
    percent: (share) => percent.format(share),
    speed: (value) => speed.format(value),
    decimal: (value, digits) =>
      value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits }),
    time: (instant) => time.format(instant),
    clock: (instant) => clock.format(instant),
    date: (instant) => date.format(instant).replace(/,/g, ''),
    day: (instant) => day.format(instant).replace(/,/g, ''),
    dayMonth: (instant) => dayMonth.format(instant),
    dayTime: (instant, today) =>
      sameDay.format(instant) === sameDay.format(today)
        ? time.format(instant)
        : `${dayMonth.format(instant)} ${time.format(instant)}`,
    duration: parts,
    list: (items) => list.format(items),
  };
}

/** Everything a view needs for saying something: the sentences and the values in them. */
export interface Speech {
  t: Translate;
  f: Format;
}

export function makeSpeech(catalogue: Catalogue, locale: string, tz: string): Speech {
  return { t: makeTranslate(catalogue, locale), f: makeFormat(locale, tz) };
}
