/**
 * From a columnar series to what a chart shows: windows in time, gaps where nothing was measured, the
 * tail that is still arriving, and the stretch of the day worth drawing. Pure, and the same for every
 * chart, so that line, table and CSV cannot disagree.
 */
import type { Metric, Series, SeriesItem } from '../api/types';
import type { Range } from '../time/range';
import { ceilToTick, floorToTick, tickStep } from '../time/ticks';

export type Values = readonly (number | null)[];

/** The windows of one series. Index i covers `[ends[i] - windowMs, ends[i])`. */
export interface Windows {
  readonly ends: readonly number[];
  readonly stepMs: number;
  readonly windowMs: number;
  /** The asked range as the server used it; `to` is the present while the range ends now. */
  readonly range: Range;
  readonly coverage: Values;
  readonly state: readonly string[];
  /** Windows that end after this instant may still change; null if the server knows of none. */
  readonly watermark: number | null;
  /** The window the present lies in, not yet complete; null in a finished range. */
  readonly open: number | null;
  readonly approx: boolean;
}

/** `follows` is true while the range ends now, so that a last, incomplete window is one still filling. */
export function windowsOf(series: Series, item: SeriesItem, follows: boolean): Windows {
  const from = Date.parse(series.start);
  const to = Date.parse(series.end);
  const stepMs = series.step_s * 1_000;
  const ends = Array.from(item.coverage, (_, i) => from + (i + 1) * stepMs);
  const last = ends.length - 1;
  return {
    ends,
    stepMs,
    windowMs: series.window_s * 1_000,
    range: { from, to },
    coverage: item.coverage,
    state: item.state,
    watermark: series.watermark == null ? null : Date.parse(series.watermark),
    open: follows && last >= 0 && (ends[last] ?? 0) > to ? last : null,
    approx: series.approx,
  };
}

/** The values of a metric, all null where the server did not send it. */
export function valuesOf(item: SeriesItem, metric: Metric): Values {
  return item[metric]?.v ?? item.coverage.map(() => null);
}

/** What is usual for these windows, if the server knows. */
export function typicalOf(item: SeriesItem, metric: Metric): Values | null {
  const typical = (item as { typical?: Partial<Record<Metric, Values>> | null }).typical;
  return typical?.[metric] ?? null;
}

/** Where window i stands on the axis: at its end, or at the present while it is open. */
export function instantOf(windows: Windows, i: number): number {
  return Math.min(windows.ends[i] ?? windows.range.to, windows.range.to);
}

export function startOf(windows: Windows, i: number): number {
  return (windows.ends[i] ?? 0) - windows.windowMs;
}

export function isMeasured(windows: Windows, i: number): boolean {
  return (windows.coverage[i] ?? 0) > 0;
}

/** True if the values of window i may still change because events for it may still arrive. */
export function isArriving(windows: Windows, i: number): boolean {
  const state = windows.state[i];
  if (state !== undefined) return state === 'live' || state === 'provisional';
  return windows.watermark !== null && (windows.ends[i] ?? 0) > windows.watermark;
}

/** Stretches in which no sensor was known to be up, within `bounds`. */
export function gapsOf(windows: Windows, bounds: Range): Range[] {
  const gaps: Range[] = [];
  for (let i = 0; i < windows.ends.length; i += 1) {
    if (isMeasured(windows, i)) continue;
    const from = Math.max((windows.ends[i] ?? 0) - windows.stepMs, bounds.from);
    const to = Math.min(instantOf(windows, i), bounds.to);
    if (to <= from) continue;
    const last = gaps.at(-1);
    if (last && from <= last.to) last.to = to;
    else gaps.push({ from, to });
  }
  return gaps;
}

/** The first window that may still change, or null: from there the line is drawn lighter. */
export function tailStart(windows: Windows): number | null {
  let first: number | null = null;
  for (let i = windows.ends.length - 1; i >= 0 && isArriving(windows, i); i -= 1) first = i;
  return first;
}

export interface Stretch {
  /** What the axis shows. */
  domain: Range;
  tickMs: number;
  /** Start of the first window with a count, when quiet windows before it are left out of the axis. */
  noneBefore: number | null;
  /** Start of the first measured window, when unmeasured time before it is left out of the axis. */
  unmeasuredBefore: number | null;
}

/** The axis never shows less than this, so that the first minutes of a day do not race across it. */
const SPAN_MIN_MS = 10 * 60_000;
/** Room ahead of the present for its labels, as a share of what is drawn. */
const AHEAD = 0.14;
const AHEAD_MAX = 0.35;

export interface StretchOptions {
  /** The range begins at a day that began by itself: its empty night may be left out. */
  trims: boolean;
  /** The range ends now: leave room ahead. */
  follows: boolean;
  ticksMax: number;
  tz: string;
}

export function stretchOf(windows: Windows, counts: Values, options: StretchOptions): Stretch {
  const { range } = windows;
  const { trims, follows, ticksMax, tz } = options;
  const firstMeasured = windows.ends.findIndex((_, i) => isMeasured(windows, i));
  const firstCount = counts.findIndex((count) => (count ?? 0) > 0);
  const first = firstCount >= 0 ? firstCount : firstMeasured;
  let from = range.from;
  if (trims && first > 0) {
    const begin = (windows.ends[first] ?? 0) - windows.stepMs;
    const rough = tickStep(Math.max(range.to - begin, SPAN_MIN_MS) * (1 + AHEAD), ticksMax);
    from = Math.max(range.from, floorToTick(begin, rough, tz));
  }
  const span = Math.max(range.to - from, SPAN_MIN_MS);
  const tickMs = tickStep(follows ? span * (1 + AHEAD) : span, ticksMax);
  // a day that has only begun leaves its room ahead, not behind where nothing was measured
  const to = follows
    ? Math.max(aheadOf(range.to, span, tickMs, tz), from + SPAN_MIN_MS)
    : Math.max(range.to, from + windows.stepMs);
  const trimmed = from > range.from;
  return {
    domain: { from, to },
    tickMs,
    noneBefore:
      trimmed && firstCount > firstMeasured && firstMeasured >= 0 ? startOf(windows, firstCount) : null,
    unmeasuredBefore:
      trimmed && firstMeasured > 0 ? (windows.ends[firstMeasured] ?? 0) - windows.stepMs : null,
  };
}

/** The axis goes on to the next mark ahead of the present, unless that is far away. */
function aheadOf(present: number, span: number, tickMs: number, tz: string): number {
  const least = present + span * AHEAD;
  const mark = ceilToTick(least, tickMs, tz);
  return mark <= present + span * AHEAD_MAX ? mark : least;
}

/**
 * A round top of the value axis with at most four intervals and a quarter of air for the labels.
 * `stepMin` is 1 for counts: there is no half person.
 */
export function valueAxis(max: number, stepMin: number): { top: number; marks: number[]; decimals: number } {
  const wanted = Math.max(max, 0) * 1.25;
  let step = stepMin;
  if (wanted > 4 * stepMin) {
    const rough = wanted / 4;
    const power = 10 ** Math.floor(Math.log10(rough));
    step =
      [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => wanted / candidate <= 4 + 1e-9) ??
      power * 10;
  }
  const intervals = Math.max(2, Math.ceil(wanted / step - 1e-9));
  const marks = Array.from({ length: intervals + 1 }, (_, i) => i * step);
  return { top: step * intervals, marks, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

/** The largest value among windows that are complete, with its index. */
export function peakOf(windows: Windows, values: Values): { index: number; value: number } | null {
  return best(windows, values, (value, than) => value > than);
}

export function lowestOf(windows: Windows, values: Values): { index: number; value: number } | null {
  return best(windows, values, (value, than) => value < than);
}

function best(windows: Windows, values: Values, beats: (value: number, than: number) => boolean) {
  let found: { index: number; value: number } | null = null;
  values.forEach((value, index) => {
    if (value === null || index === windows.open) return;
    if (found === null || beats(value, found.value)) found = { index, value };
  });
  return found as { index: number; value: number } | null;
}

/** The last complete window with a value, if it ends close enough to the present to be called now. */
export function latestOf(windows: Windows, values: Values): { index: number; value: number } | null {
  const freshFrom = windows.range.to - 3 * windows.stepMs;
  for (let index = values.length - 1; index >= 0; index -= 1) {
    if ((windows.ends[index] ?? 0) < freshFrom) return null;
    const value = values[index];
    if (index !== windows.open && value != null) return { index, value };
  }
  return null;
}

/** Sum over the windows that end in (from, to], or null where one of them was not measured. */
export function sumBetween(windows: Windows, values: Values, bounds: Range): number | null {
  if (windows.windowMs !== windows.stepMs) return null;
  let sum = 0;
  let covered = 0;
  for (let i = 0; i < windows.ends.length; i += 1) {
    const end = windows.ends[i] ?? 0;
    if (end <= bounds.from || end > bounds.to) continue;
    const value = values[i];
    if (value == null || i === windows.open) return null;
    sum += value;
    covered += windows.stepMs;
  }
  return covered === bounds.to - bounds.from ? sum : null;
}
