/** The matrix of daylight saving: whatever zone the browser is in, axis, table and CSV say the site's time. */
import { afterAll, describe, expect, test } from 'vitest';
import { csvOf } from '../src/csv';
import { makeFormat } from '../src/format';
import { floorToTick, ticks } from '../src/time/ticks';
import { HOUR, smallSeries } from './support';

const DAY = 24 * HOUR;
const BROWSERS = ['Europe/Paris', 'America/New_York', 'Asia/Kolkata', 'UTC'];
const SITES = [
  { tz: 'Europe/London', spring: '2026-03-29T00:00:00Z', autumn: '2026-10-25T00:00:00Z' },
  { tz: 'America/New_York', spring: '2026-03-08T05:00:00Z', autumn: '2026-11-01T04:00:00Z' },
  { tz: 'Australia/Lord_Howe', spring: '2026-10-03T13:30:00Z', autumn: '2026-04-04T13:00:00Z' },
];
const home = process.env.TZ;

afterAll(() => {
  process.env.TZ = home;
});

describe.each(BROWSERS)('a browser in %s', (browser) => {
  describe.each(SITES)('a site in $tz', ({ tz, spring, autumn }) => {
    test.each([spring, autumn])('the day around %s', (day) => {
      process.env.TZ = browser;
      const f = makeFormat('en-GB', tz);
      const from = Date.parse(day) - 2 * HOUR;
      const to = from + DAY + 4 * HOUR;
      const marks = ticks(from, to, 3 * HOUR, tz);
      // every mark is on a round hour of the wall clock, except where the clocks skip it
      const round = marks.filter(
        (mark) => Number(f.time(mark.at).slice(0, 2)) % 3 === 0 && f.time(mark.at).endsWith(':00'),
      );
      expect(round.length).toBeGreaterThanOrEqual(marks.length - 1);
      for (const [i, mark] of marks.entries()) expect(mark.at).toBeGreaterThan(marks[i - 1]?.at ?? 0);

      // the CSV's stamps are the same instants as the windows, and the chart prints their wall time
      const series = smallSeries(Array(28).fill(1), Array(28).fill(1), {
        start: new Date(from).toISOString(),
        end: new Date(to).toISOString(),
        step_s: 3_600,
        window_s: 3_600,
      });
      const rows = csvOf(series, tz).trim().split('\r\n').slice(1);
      expect(rows).toHaveLength(28);
      rows.forEach((row, i) => {
        const stamp = row.split(',')[1] ?? '';
        expect(Date.parse(stamp)).toBe(from + (i + 1) * HOUR);
        expect(stamp.slice(11, 16)).toBe(f.time(from + (i + 1) * HOUR));
      });
      expect(new Set(rows.map((row) => row.split(',')[1])).size).toBe(28);
    });
  });
});

test('a day that is skipped at midnight still begins', () => {
  // Santiago goes from 23:59:59 to 01:00
  const tz = 'America/Santiago';
  const day = Date.parse('2026-09-06T04:00:00Z');
  const [first] = ticks(day, day + DAY, DAY, tz);
  expect(first?.at).toBe(day);
  expect(makeFormat('en-GB', tz).time(day)).toBe('01:00');
});

test('minutes are round on the wall clock of a zone with an odd offset', () => {
  const tz = 'Asia/Kathmandu';
  const at = Date.parse('2026-11-24T11:20:16Z');
  const f = makeFormat('en-GB', tz);
  const marks = ticks(at, at + 3 * HOUR, 30 * 60_000, tz).map((mark) => f.time(mark.at));
  expect(marks).toEqual(['17:30', '18:00', '18:30', '19:00', '19:30', '20:00']);
  expect(f.time(floorToTick(at, HOUR, tz))).toBe('17:00');
});

test('long axes have marks on Mondays and on the first of months, wherever the range begins', () => {
  const tz = 'Europe/London';
  const at = Date.parse('2026-11-24T11:20:16Z');
  const f = makeFormat('en-GB', tz);
  const names = (span: number, step: number) =>
    ticks(at - span, at, step, tz).map((mark) => `${f.day(mark.at)} ${f.dayMonth(mark.at)}`);
  expect(names(20 * DAY, 7 * DAY)).toEqual(['Mon 9 9 Nov', 'Mon 16 16 Nov', 'Mon 23 23 Nov']);
  expect(names(200 * DAY, 90 * DAY)).toEqual(['Wed 1 1 Jul', 'Thu 1 1 Oct']);
  expect(names(5 * DAY, 2 * DAY)).toEqual(names(4.2 * DAY, 2 * DAY));
});
