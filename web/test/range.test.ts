import { describe, expect, test } from 'vitest';
import {
  fromWallTime,
  isTimeWord,
  leftEdge,
  parseDuration,
  resolve,
  shiftPeriod,
  stamp,
  startOfDay,
  toWallTime,
} from '../src/time/range';
import { HOUR, NOW } from './support';

const LONDON = 'Europe/London';
const at = (text: string) => Date.parse(text);

test.each([
  ['10s', 10_000],
  ['5m', 300_000],
  ['2h', 7_200_000],
  ['1d', 86_400_000],
  ['0s', null],
  ['60', null],
  ['-5m', null],
])('the duration %s', (text, ms) => expect(parseDuration(text)).toBe(ms));

test.each([
  ['now', NOW],
  ['today', at('2026-11-24T00:00:00Z')],
  ['week', at('2026-11-23T00:00:00Z')],
  ['now-90m', NOW - 90 * 60_000],
  ['2026-07-01', at('2026-06-30T23:00:00Z')],
  ['2026-11-24T06:00:00+01:00', at('2026-11-24T05:00:00Z')],
])('%s is an instant at the site', (word, instant) => expect(resolve(word, NOW, LONDON)).toBe(instant));

test('a date that does not exist is no time', () => {
  expect(isTimeWord('2026-02-30')).toBe(false);
  expect(isTimeWord('2026-02-28')).toBe(true);
});

test('the day of the site is not the day of UTC', () => {
  const late = at('2026-07-01T23:30:00Z');
  expect(startOfDay(late, LONDON)).toBe(at('2026-07-01T23:00:00Z'));
  expect(startOfDay(late, 'Asia/Kolkata')).toBe(at('2026-07-01T18:30:00Z'));
});

test('both hours of the night when clocks go back have stamps of their own', () => {
  const first = at('2026-10-25T00:30:00Z');
  expect(stamp(first, LONDON)).toBe('2026-10-25T01:30:00+01:00');
  expect(stamp(first + HOUR, LONDON)).toBe('2026-10-25T01:30:00+00:00');
});

test('a wall time goes to the site’s instant and back', () => {
  const instant = fromWallTime('2026-06-24T06:00', LONDON);
  expect(instant).toBe(at('2026-06-24T05:00:00Z'));
  expect(toWallTime(instant ?? 0, LONDON)).toBe('2026-06-24T06:00');
});

test('a wall time that was skipped is the moment after the gap; no time is null', () => {
  expect(fromWallTime('2026-03-29T01:30', LONDON)).toBe(at('2026-03-29T01:30:00Z'));
  expect(fromWallTime('', LONDON)).toBeNull();
});

describe('the period before and after', () => {
  const today = { from: at('2026-11-24T00:00:00Z'), to: NOW };

  test('before today until now comes all of yesterday', () => {
    expect(shiftPeriod(today, -1, NOW, LONDON)).toEqual({ start: '2026-11-23', end: '2026-11-24' });
  });

  test('after yesterday comes today until now, in words that stay true', () => {
    const yesterday = { from: at('2026-11-23T00:00:00Z'), to: at('2026-11-24T00:00:00Z') };
    expect(shiftPeriod(yesterday, 1, NOW, LONDON)).toEqual({ start: 'today', end: 'now' });
  });

  test('after today there is nothing yet', () => {
    expect(shiftPeriod(today, 1, NOW, LONDON)).toBeNull();
  });

  test('a day of 25 hours is one day', () => {
    const now = at('2026-10-27T12:00:00Z');
    const after = { from: at('2026-10-26T00:00:00Z'), to: at('2026-10-27T00:00:00Z') };
    expect(shiftPeriod(after, -1, now, LONDON)).toEqual({ start: '2026-10-25', end: '2026-10-26' });
    const long = { from: at('2026-10-24T23:00:00Z'), to: at('2026-10-26T00:00:00Z') };
    expect(shiftPeriod(long, -1, now, LONDON)).toEqual({ start: '2026-10-24', end: '2026-10-25' });
  });

  test('an hour moves by an hour, and not beyond now', () => {
    const hour = { from: NOW - 2 * HOUR, to: NOW - HOUR };
    expect(shiftPeriod(hour, -1, NOW, LONDON)).toEqual({
      start: '2026-11-24T08:20:16+00:00',
      end: '2026-11-24T09:20:16+00:00',
    });
    expect(shiftPeriod({ from: NOW - HOUR, to: NOW }, 1, NOW, LONDON)).toBeNull();
  });

  test('a period that was before today in part still reaches into today', () => {
    const twoDays = { from: at('2026-11-21T00:00:00Z'), to: at('2026-11-23T00:00:00Z') };
    expect(shiftPeriod(twoDays, 1, NOW, LONDON)).toEqual({ start: '2026-11-23', end: 'now' });
  });
});

test('the left edge of today moves at the site’s midnight only', () => {
  const before = at('2026-06-30T22:59:59Z');
  expect(leftEdge('today', before, LONDON)).toBe('2026-06-30');
  expect(leftEdge('today', before + 1_000, LONDON)).toBe('2026-07-01');
  expect(leftEdge('2026-06-30', before, LONDON)).toBe('');
});

test('the left edge of a sliding hour moves each minute', () => {
  const minute = Math.floor(NOW / 60_000) * 60_000;
  expect(leftEdge('now-1h', minute, LONDON)).toBe(leftEdge('now-1h', minute + 59_999, LONDON));
  expect(leftEdge('now-1h', minute, LONDON)).not.toBe(leftEdge('now-1h', minute + 60_000, LONDON));
});
