/** The sentence under a chart: peak, change and missing time, for those who do not read the line. */
import { lowestOf, peakOf, sumBetween, type Values, type Windows } from '../chart/model';
import type { Speech } from '../format';
import { startOfDay } from '../time/range';
import type { ChartFrame } from './frame';
import { lastDay } from './shared';

const HOUR_MS = 3_600_000;
/** Smaller changes between two hours are chance. */
const CHANGE_MIN = 0.02;

export function entriesCaption(frame: ChartFrame, values: Values, speech: Speech): string {
  const { t, f } = speech;
  const { windows, stretch } = frame;
  if (windows.coverage.every((share) => !share)) return t('captionNothing');
  const parts: string[] = [];
  const sum = sumText(frame, values, speech);
  if (sum !== null && stretch.noneBefore !== null) {
    parts.push(t('captionNoneBefore', { sum, time: f.dayTime(stretch.noneBefore, lastDay(windows)) }));
  } else if (sum !== null) {
    parts.push(t('captionSum', { sum }));
  }
  const peak = peakOf(windows, values);
  if (peak !== null && peak.value > 0) {
    const vars = { value: peak.value, time: f.dayTime(windows.ends[peak.index] ?? 0, lastDay(windows)) };
    parts.push(windows.windowMs === 60_000 ? t('captionPeakMinute', vars) : t('captionPeak', vars));
  }
  if (frame.follows) parts.push(changeText(windows, values, speech));
  parts.push(...missing(frame, speech));
  return parts.filter(Boolean).join(' ');
}

export interface SpeedColumns {
  average: Values;
  fastest: Values;
  /** Where the axis ends. */
  top: number;
}

export function speedCaption(frame: ChartFrame, columns: SpeedColumns, speech: Speech): string {
  const { t, f } = speech;
  const { windows } = frame;
  const { average, fastest, top } = columns;
  if (windows.coverage.every((share) => !share)) return t('captionNothing');
  const parts: string[] = [];
  const slowest = lowestOf(windows, average);
  if (slowest !== null) {
    const time = f.dayTime(windows.ends[slowest.index] ?? 0, lastDay(windows));
    parts.push(t('captionSlowest', { value: f.speed(slowest.value), time }));
  }
  const jump = peakOf(windows, fastest);
  if (jump !== null && jump.value > top) {
    const time = f.dayTime(windows.ends[jump.index] ?? 0, lastDay(windows));
    parts.push(t('captionBeyond', { value: f.speed(jump.value), time }));
  }
  const before = frame.follows ? valueAt(windows, average, windows.range.to - HOUR_MS) : null;
  if (before !== null) parts.push(t('captionHourAgo', { value: f.speed(before) }));
  const nobody = windows.ends.some(
    (end, i) => end > frame.stretch.domain.from && average[i] == null && (windows.coverage[i] ?? 0) > 0,
  );
  if (nobody && slowest !== null) parts.push(t('captionNobodyWalked'));
  parts.push(...missing(frame, speech));
  return parts.join(' ');
}

/** The sum, where windows do not overlap and so may be added. */
function sumText({ windows, follows }: ChartFrame, values: Values, { t, f }: Speech): string | null {
  if (windows.windowMs !== windows.stepMs) return null;
  const n = values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  const today = follows && windows.range.from === startOfDay(lastDay(windows), f.tz);
  return t(today ? 'captionSinceMidnight' : 'captionInRange', { n });
}

/** The last full hour against the one before it; nothing where either was not measured. */
function changeText(windows: Windows, values: Values, { t, f }: Speech): string {
  const last = windows.ends.findLast((end) => end <= windows.range.to);
  if (last === undefined) return '';
  const recent = sumBetween(windows, values, { from: last - HOUR_MS, to: last });
  const before = sumBetween(windows, values, { from: last - 2 * HOUR_MS, to: last - HOUR_MS });
  if (recent === null || before === null || before === 0) return '';
  const change = recent / before - 1;
  if (Math.abs(change) < CHANGE_MIN) return t('captionSame');
  return t(change > 0 ? 'captionMore' : 'captionFewer', { percent: f.percent(Math.abs(change)) });
}

function missing({ windows, stretch }: ChartFrame, { t, f }: Speech): string[] {
  const parts: string[] = [];
  if (stretch.unmeasuredBefore !== null) {
    parts.push(t('captionNoDataBefore', { time: f.dayTime(stretch.unmeasuredBefore, lastDay(windows)) }));
  }
  const from = stretch.unmeasuredBefore ?? windows.range.from;
  const lost = windows.ends.filter((end, i) => end > from && !((windows.coverage[i] ?? 0) > 0)).length;
  if (lost > 0) parts.push(t('captionMissing', { duration: f.duration(lost * windows.stepMs) }));
  return parts;
}

function valueAt(windows: Windows, values: Values, at: number): number | null {
  const index = windows.ends.findLastIndex((end) => end <= at);
  return values[index] ?? null;
}
