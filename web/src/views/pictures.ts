/** The two charts of Today as pictures: lines, marks, readings, table columns. */
import {
  instantOf,
  isMeasured,
  latestOf,
  peakOf,
  typicalOf,
  type Values,
  valueAxis,
  valuesOf,
  type Windows,
} from '../chart/model';
import type { Line, Mark, Picture } from '../chart/picture';
import type { Speech } from '../format';
import { entriesCaption, speedCaption } from './captions';
import type { ChartFrame } from './frame';
import { capital, column, helpVars, honesty, inDomain, timeColumns, timeOf, trustColumns } from './shared';

const TYPICAL_DASH = [6, 4];
/** A fastest speed this many times the median is an outlier. */
const OUTLIER = 2.5;
/** A value that ended longer ago is not called now. */
const NOW_MS = 2 * 60_000;

export function entriesPicture(frame: ChartFrame, speech: Speech): Picture {
  const { t, f } = speech;
  const { windows, item, base } = frame;
  const values = valuesOf(item, 'entries');
  const typical = typicalOf(item, 'entries');
  const shown = inDomain(frame, values);
  const axis = valueAxis(Math.max(0, ...shown, ...(typical ? inDomain(frame, typical) : [])), 1);
  const title = entriesTitle(windows, speech);
  const count = (value: number) => (windows.approx ? `≈${f.count(value)}` : f.count(value));
  const read = (i: number) => {
    const value = values[i];
    if (value == null) return t('readNoData', { time: timeOf(windows, i, speech) });
    const usual = typical?.[i];
    return [
      t('readEntries', { n: value, time: timeOf(windows, i, speech) }),
      usual == null ? '' : t('readTypical', { value: f.count(usual) }),
      honesty(windows, i, speech),
    ].join('');
  };
  const lines: Line[] = [
    { key: 'entries', values, colour: '--s1', tailColour: '--s1-tail', width: 1.75, skipOpen: true, read },
  ];
  if (typical)
    lines.push({ key: 'typical', values: typical, colour: '--ink-3', width: 1.25, dash: TYPICAL_DASH, read });
  const nobody = !frame.blind && shown.length > 0 && shown.every((value) => value === 0);
  return {
    ...base,
    title,
    lines,
    bands: [],
    axis: { top: axis.top, marks: axis.marks.map((value) => ({ value, label: f.count(value) })) },
    marks: entriesMarks(frame, values, count, speech),
    remark: frame.blind ? t('noSensorWasReporting') : nobody ? t('nobodyPassed') : null,
    caption: entriesCaption(frame, values, speech),
    help: t(lines.length > 1 ? 'chartHelpSeries' : 'chartHelp', helpVars(title, frame, speech)),
    table: [
      ...timeColumns(windows, speech),
      column(t('entries'), values, count, windows, speech),
      ...trustColumns(windows, speech),
    ],
  };
}

function entriesMarks(
  frame: ChartFrame,
  values: Values,
  count: (value: number) => string,
  speech: Speech,
): Mark[] {
  const { t } = speech;
  const { windows, stretch, follows } = frame;
  const marks: Mark[] = [];
  const latest = follows ? latestOf(windows, values) : null;
  const open = windows.open === null ? null : values[windows.open];
  // two words beside two dots: the higher value has its words above
  const down = latest !== null && open != null && open > latest.value;
  if (latest !== null) {
    const place = { at: instantOf(windows, latest.index), value: latest.value };
    // of a long step the last complete value is not of now
    const value = count(latest.value);
    const old = windows.range.to - place.at > NOW_MS;
    const text = old
      ? t('peakAt', { value, time: timeOf(windows, latest.index, speech) })
      : t('nowValue', { value });
    marks.push({
      key: 'now',
      ...place,
      text,
      dx: 9,
      dy: down ? 9 : -7,
      anchor: 'start',
      tone: 'strong',
      dot: 'solid',
    });
  }
  if (open != null && windows.open !== null && open > 0) {
    const place = { at: instantOf(windows, windows.open), value: open };
    const text = t('soFar', { value: count(open) });
    marks.push({
      key: 'open',
      ...place,
      text,
      dx: 9,
      dy: down ? -7 : 9,
      anchor: 'start',
      tone: 'soft',
      dot: 'open',
    });
  }
  const typical = typicalOf(frame.item, 'entries');
  const last = typical?.findLastIndex((value) => value !== null) ?? -1;
  if (typical && last >= 0) {
    const place = { at: instantOf(windows, last), value: typical[last] ?? 0 };
    marks.push({ key: 'usual', ...place, text: t('usualLine'), dx: 9, dy: 0, anchor: 'start', tone: 'soft' });
  }
  const peak = peakOf(windows, values);
  if (peak !== null && peak.value > 0 && instantOf(windows, peak.index) > stretch.domain.from) {
    const at = instantOf(windows, peak.index);
    const text = t('peakAt', { value: count(peak.value), time: timeOf(windows, peak.index, speech) });
    marks.push({
      key: 'peak',
      at,
      value: peak.value,
      text,
      dx: 0,
      dy: -12,
      anchor: 'middle',
      tone: 'plain',
      optional: true,
    });
  }
  return marks;
}

export function speedPicture(frame: ChartFrame, speech: Speech): Picture {
  const { t, f } = speech;
  const { windows, item, base } = frame;
  const columns = {
    average: valuesOf(item, 'speed_avg'),
    slowest: valuesOf(item, 'speed_min'),
    fastest: valuesOf(item, 'speed_max'),
  };
  const limit = speedLimit(inDomain(frame, columns.fastest), inDomain(frame, columns.average));
  const axis = valueAxis(limit, 0.1);
  const title = t('walkingSpeed');
  const line = (key: keyof typeof columns, style: Partial<Line>): Line => ({
    key,
    values: columns[key],
    colour: '--s1-band',
    width: 0,
    ...style,
    read: (i) => {
      const time = timeOf(windows, i, speech);
      if (!isMeasured(windows, i)) return t('readNoData', { time });
      const value = columns[key][i];
      if (value == null) return t('readNobody', { time });
      return t('readSpeed', { time, value: f.speed(value), line: t(key) }) + honesty(windows, i, speech);
    },
  });
  const walked = inDomain(frame, columns.average).length > 0;
  return {
    ...base,
    title,
    lines: [
      line('average', { colour: '--s1', tailColour: '--s1-tail', width: 1.75 }),
      line('slowest', {}),
      line('fastest', {}),
    ],
    bands: [{ high: 'fastest', low: 'slowest', colour: '--s1-band' }],
    axis: {
      top: axis.top,
      marks: axis.marks.map((value) => ({ value, label: f.decimal(value, Math.max(1, axis.decimals)) })),
    },
    marks: speedMarks(frame, columns, speech),
    remark: frame.blind ? t('noSensorWasReporting') : walked ? null : t('nobodyWalked'),
    caption: speedCaption(frame, { ...columns, top: axis.top }, speech),
    help: t('chartHelpSeries', helpVars(title, frame, speech)),
    table: [
      ...timeColumns(windows, speech),
      column(capital(t('average')), columns.average, f.speed, windows, speech),
      column(capital(t('slowest')), columns.slowest, f.speed, windows, speech),
      column(capital(t('fastest')), columns.fastest, f.speed, windows, speech),
      ...trustColumns(windows, speech),
    ],
  };
}

/**
 * The highest speed worth drawing. One badge that jumped must not press everybody else flat: what is far
 * beyond the usual fastest is cut off, and the caption says so.
 */
function speedLimit(fastest: number[], average: number[]): number {
  const sorted = fastest.toSorted((a, b) => a - b);
  const usual = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const limit = Math.max(usual * OUTLIER, ...average);
  return Math.min(limit, Math.max(0, ...fastest, ...average));
}

/** Names of the three lines at their right ends; the average with its value while it is of now. */
function speedMarks(
  frame: ChartFrame,
  columns: { average: Values; slowest: Values; fastest: Values },
  { t, f }: Speech,
): Mark[] {
  const { windows, follows } = frame;
  const index = columns.average.findLastIndex((value) => value !== null);
  const [average, slowest, fastest] = [
    columns.average[index],
    columns.slowest[index],
    columns.fastest[index],
  ];
  if (average == null) return [];
  const at = instantOf(windows, index);
  const fresh = follows && windows.range.to - at <= 3 * windows.stepMs;
  const text = fresh ? t('averageValue', { value: f.speed(average) }) : t('average');
  const beside = { at, dx: 9, dy: 0, anchor: 'start' as const };
  const marks: Mark[] = [
    {
      key: 'average',
      value: average,
      text,
      short: f.speed(average),
      ...beside,
      tone: 'strong',
      dot: 'solid',
    },
  ];
  if (fastest != null)
    marks.push({ key: 'fastest', value: fastest, text: t('fastest'), ...beside, tone: 'soft' });
  if (slowest != null)
    marks.push({ key: 'slowest', value: slowest, text: t('slowest'), ...beside, tone: 'soft' });
  return marks;
}

function entriesTitle(windows: Windows, { t, f }: Speech): string {
  const window = f.duration(windows.windowMs);
  if (windows.windowMs !== windows.stepMs)
    return t('entriesRolling', { window, step: f.duration(windows.stepMs) });
  return windows.windowMs === 60_000 ? t('entriesPerMinute') : t('entriesPer', { window });
}
