import { describe, expect, test } from 'vitest';
import type { Series } from '../src/api/types';
import { placeLabels } from '../src/chart/labels';
import {
  gapsOf,
  latestOf,
  peakOf,
  stretchOf,
  sumBetween,
  tailStart,
  valueAxis,
  windowsOf,
} from '../src/chart/model';
import { specOf } from '../src/chart/usePlot';
import { entriesPicture, speedPicture } from '../src/views/pictures';
import { frameAt, HOUR, MINUTE, NOW, smallSeries, speech } from './support';

const MIDNIGHT = Date.parse('2026-11-24T00:00:00Z');

function windows(
  entries: (number | null)[],
  coverage: number[],
  change: Partial<Series> = {},
  follows = false,
) {
  const series = smallSeries(entries, coverage, change);
  const item = series.series[0];
  if (item === undefined) throw new Error('one item');
  return windowsOf(series, item, follows);
}

const day = { from: MIDNIGHT, to: MIDNIGHT + 24 * HOUR };

describe('gaps', () => {
  test('are the stretches that nobody measured, and only those', () => {
    expect(gapsOf(windows([0, 1, null, null, 0, null], [1, 1, 0, 0, 1, 0]), day)).toEqual([
      { from: MIDNIGHT + 2 * MINUTE, to: MIDNIGHT + 4 * MINUTE },
      { from: MIDNIGHT + 5 * MINUTE, to: MIDNIGHT + 6 * MINUTE },
    ]);
  });

  test('a zero that was measured is no gap, and neither is a part of a measurement', () => {
    expect(gapsOf(windows([0, 0, 0], [1, 0.01, 1]), day)).toEqual([]);
  });

  test('end with the axis and with the present', () => {
    const w = windows([null, null, null], [0, 0, 0], { end: '2026-11-24T00:02:20+00:00' }, true);
    expect(gapsOf(w, { from: MIDNIGHT + MINUTE, to: MIDNIGHT + HOUR })).toEqual([
      { from: MIDNIGHT + MINUTE, to: MIDNIGHT + 2 * MINUTE + 20_000 },
    ]);
  });
});

describe('the window the present lies in', () => {
  test('is open while the range ends now', () => {
    expect(windows([1, 1, 1], [1, 1, 1], { end: '2026-11-24T00:02:20+00:00' }, true).open).toBe(2);
    expect(windows([1, 1, 1], [1, 1, 1], {}, true).open).toBeNull();
    expect(windows([1, 1, 1], [1, 1, 1], { end: '2026-11-24T00:02:20+00:00' }, false).open).toBeNull();
  });

  test('is no peak and not the latest value', () => {
    const w = windows([3, 5, 9], [1, 1, 1], { end: '2026-11-24T00:02:20+00:00' }, true);
    expect(peakOf(w, [3, 5, 9])).toEqual({ index: 1, value: 5 });
    expect(latestOf(w, [3, 5, 9])).toEqual({ index: 1, value: 5 });
  });
});

test('a value that is long past is not called now', () => {
  const w = windows([3, null, null, null, null], [1, 0, 0, 0, 0], {}, true);
  expect(latestOf(w, [3, null, null, null, null])).toBeNull();
});

test('the tail begins where windows may still change', () => {
  const series = smallSeries([1, 2, 3, 4], [1, 1, 1, 1]);
  const item = {
    ...series.series[0],
    state: ['final', 'final', 'provisional', 'live'],
  } as Series['series'][number];
  expect(tailStart(windowsOf(series, item, true))).toBe(2);
  expect(tailStart(windows([1, 2], [1, 1]))).toBeNull();
});

test('a sum is given only where every window was measured and none overlap', () => {
  const w = windows([1, 2, null, 4], [1, 1, 0, 1]);
  expect(sumBetween(w, [1, 2, null, 4], { from: MIDNIGHT, to: MIDNIGHT + 2 * MINUTE })).toBe(3);
  expect(sumBetween(w, [1, 2, null, 4], { from: MIDNIGHT, to: MIDNIGHT + 4 * MINUTE })).toBeNull();
  expect(sumBetween(w, [1, 2, null, 4], { from: MIDNIGHT - MINUTE, to: MIDNIGHT + 2 * MINUTE })).toBeNull();
  const rolling = windows([1, 2], [1, 1], { window_s: 300 });
  expect(sumBetween(rolling, [1, 2], { from: MIDNIGHT, to: MIDNIGHT + 2 * MINUTE })).toBeNull();
});

test.each([
  [0, 1, 2, 0],
  [1, 1, 2, 0],
  [3, 1, 4, 0],
  [40, 1, 60, 0],
  [47, 1, 60, 0],
  [1_204, 1, 2_000, 0],
  [2.02, 0.1, 3, 0],
  [0.3, 0.1, 0.4, 1],
])('a value axis for %d', (max, stepMin, top, decimals) => {
  const axis = valueAxis(max, stepMin);
  expect(axis.top).toBeCloseTo(top);
  expect(axis.decimals).toBe(decimals);
  expect(axis.top).toBeGreaterThanOrEqual(max * 1.2);
  expect(axis.marks.length).toBeLessThanOrEqual(5);
});

describe('the stretch that is drawn', () => {
  const options = { trims: true, follows: true, ticksMax: 8, tz: 'Europe/London' };
  const quiet = (n: number, of: number) => Array(n).fill(of) as number[];

  test('leaves out a quiet night and says so', () => {
    const counts = [...quiet(382, 0), ...quiet(300, 5)];
    const stretch = stretchOf(windows(counts, quiet(682, 1), {}, true), counts, options);
    expect(stretch.domain.from).toBe(MIDNIGHT + 6 * HOUR);
    expect(stretch.noneBefore).toBe(MIDNIGHT + 382 * MINUTE);
    expect(stretch.unmeasuredBefore).toBeNull();
    expect(stretch.domain.to).toBeGreaterThan(MIDNIGHT + 682 * MINUTE);
  });

  test('leaves out a night without sensors, and calls it unmeasured', () => {
    const counts = [...quiet(600, Number.NaN).map(() => null), ...quiet(82, 5)];
    const stretch = stretchOf(
      windows(counts, [...quiet(600, 0), ...quiet(82, 1)], {}, true),
      counts,
      options,
    );
    expect(stretch.unmeasuredBefore).toBe(MIDNIGHT + 600 * MINUTE);
    expect(stretch.noneBefore).toBeNull();
    expect(stretch.domain.from).toBe(MIDNIGHT + 10 * HOUR);
  });

  test('shows a chosen range as it was chosen', () => {
    const counts = [...quiet(382, 0), ...quiet(300, 5)];
    const stretch = stretchOf(windows(counts, quiet(682, 1)), counts, {
      ...options,
      trims: false,
      follows: false,
    });
    expect(stretch.domain).toEqual({ from: MIDNIGHT, to: MIDNIGHT + 682 * MINUTE });
    expect(stretch.noneBefore).toBeNull();
  });

  test('of a site that has just begun leaves its room ahead', () => {
    const counts = [...quiet(678, Number.NaN).map(() => null), 7, 2, 3];
    const stretch = stretchOf(windows(counts, [...quiet(678, 0), 1, 1, 1], {}, true), counts, options);
    expect(stretch.domain.to - stretch.domain.from).toBeGreaterThanOrEqual(10 * MINUTE);
    expect(stretch.domain.from).toBeGreaterThanOrEqual(MIDNIGHT + 676 * MINUTE);
    expect(stretch.unmeasuredBefore).toBe(MIDNIGHT + 678 * MINUTE);
  });

  test('of a day on which nobody came begins where measuring began', () => {
    const stretch = stretchOf(windows(quiet(60, 0), quiet(60, 1), {}, true), quiet(60, 0), options);
    expect(stretch.domain.from).toBe(MIDNIGHT);
  });
});

describe('words in a chart', () => {
  const frame = { width: 500, height: 220, gutter: 52 };
  const wish = (key: string, x: number, y: number, more = {}) => ({
    key,
    text: 'some words',
    x,
    y,
    anchor: 'start' as const,
    tone: 'plain' as const,
    ...more,
  });

  test('do not lie over each other: the less important moves a line', () => {
    const [first, second] = placeLabels([wish('a', 100, 100), wish('b', 110, 104)], frame);
    expect(first?.y).toBe(100);
    expect(Math.abs((second?.y ?? 0) - 100)).toBeGreaterThanOrEqual(16);
  });

  test('are left out where they may be', () => {
    expect(placeLabels([wish('a', 100, 100), wish('b', 110, 104, { optional: true })], frame)).toHaveLength(
      1,
    );
  });

  test('turn back at the right edge, and never leave the chart', () => {
    const [turned] = placeLabels([wish('a', 520, 2)], frame);
    expect((turned?.left ?? 0) + (turned?.width ?? 0)).toBeLessThan(520);
    expect(turned?.y).toBeGreaterThanOrEqual(8);
    const [left] = placeLabels([wish('a', 2, 300, { anchor: 'middle' })], frame);
    expect(left?.left).toBe(0);
    expect(left?.y).toBeLessThanOrEqual(212);
  });

  test('shorten on a phone, they do not vanish', () => {
    const gap = wish('g', 100, 10, { text: 'no data 07:10 to 07:25', short: 'no data' });
    expect(placeLabels([gap], { ...frame, width: 300 })[0]?.text).toBe('no data');
    expect(placeLabels([gap], frame)[0]?.text).toBe('no data 07:10 to 07:25');
    const value = wish('v', 480, 100, { text: '1.35 average', short: '1.35', tone: 'strong' });
    expect(placeLabels([value], frame)[0]?.text).toBe('1.35');
    expect(placeLabels([{ ...value, x: 460 }], frame)[0]?.text).toBe('1.35 average');
  });
});

describe('the lines for the canvas', () => {
  test('part at the tail and share one point, so that the line does not break', () => {
    const frame = frameAt();
    const spec = specOf(entriesPicture(frame, speech));
    const tail = tailStart(frame.windows) ?? 0;
    const [settled, arriving] = spec.lines;
    expect(settled?.values[tail]).toBeNull();
    expect(settled?.values[tail - 1]).toBe(arriving?.values[tail - 1]);
    expect(arriving?.colour).toBe('--s1-tail');
    expect(arriving?.values[tail - 2]).toBeNull();
  });

  test('of counts leave out the window that is not complete, of speeds they do not', () => {
    const frame = frameAt();
    const open = frame.windows.open ?? 0;
    expect(open).toBeGreaterThan(0);
    expect(specOf(entriesPicture(frame, speech)).lines.at(-1)?.values[open]).toBeNull();
    expect(specOf(speedPicture(frame, speech)).lines.at(-1)?.values[open]).not.toBeNull();
  });

  test('put the band below the average', () => {
    const spec = specOf(speedPicture(frameAt(), speech));
    const [band] = spec.bands;
    expect(spec.lines[band?.high ?? -1]?.width).toBe(0);
    expect(spec.lines.findIndex((line) => line.colour === '--s1')).toBeGreaterThan(band?.high ?? 9);
  });

  test('have no value where nobody measured', () => {
    const frame = frameAt();
    const spec = specOf(entriesPicture(frame, speech));
    const dark = frame.windows.ends.findIndex((end) => speech.f.time(end) === '07:20');
    expect(spec.lines.map((line) => line.values[dark])).toEqual([null, null]);
    expect(NOW).toBeGreaterThan(frame.windows.ends[dark] ?? 0);
  });
});
