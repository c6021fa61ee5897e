/**
 * The rows of the charts as CSV: the same windows, in the site's zone. Stamps carry their offset, so the
 * hour that autumn repeats stays two hours; text that a spreadsheet would run as a formula is disarmed.
 */
import type { Metric, Series } from './api/types';
import { startOf, valuesOf, windowsOf } from './chart/model';
import { effective, type Search } from './search';
import { now } from './time/clock';
import { resolve, stamp } from './time/range';

const METRICS: Metric[] = ['entries', 'speed_avg', 'speed_min', 'speed_max'];

export interface CsvContext {
  site: string;
  search: Search;
  tz: string;
}

export function csvOf(series: Series, tz: string): string {
  const metrics = METRICS.filter((metric) => series.metrics.includes(metric));
  const head = ['window_start', 'window_end', 'sensor', 'type', ...metrics, 'coverage', 'state'];
  const lines = [head.join(',')];
  for (const item of series.series) {
    const windows = windowsOf(series, item, false);
    const columns = metrics.map((metric) => valuesOf(item, metric));
    windows.ends.forEach((end, i) => {
      const cells = [
        stamp(startOf(windows, i), tz),
        stamp(end, tz),
        item.key.sensor,
        item.key.type,
        ...columns.map((values) => values[i] ?? null),
        item.coverage[i] ?? null,
        item.state[i] ?? '',
      ];
      lines.push(cells.map(csvCell).join(','));
    });
  }
  return `${lines.join('\r\n')}\r\n`;
}

/** One cell: empty for no value, quoted where needed, and never the beginning of a formula. */
export function csvCell(value: string | number | null | undefined): string {
  if (value == null) return '';
  if (typeof value === 'number') return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** A name that says what is inside, from the filters, fit for any file system. */
export function csvName({ site, search, tz }: CsvContext, at: number): string {
  const { start, end, window, step, sensor, type } = effective(search);
  const compact = (word: string) =>
    stamp(resolve(word, at, tz), tz)
      .slice(0, 16)
      .replace(/:/g, '');
  const parts = ['footfall', site, compact(start), 'to', compact(end), `${window}-per-${step}`];
  if (sensor) parts.push(sensor.join('+'));
  if (type) parts.push(type.join('+'));
  const name = parts.join('_').replace(/[^\p{L}\p{N}+_-]+/gu, '-');
  return `${name.slice(0, 120)}.csv`;
}

export function downloadCsv(series: Series, context: CsvContext): void {
  const url = URL.createObjectURL(new Blob([csvOf(series, context.tz)], { type: 'text/csv;charset=utf-8' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = csvName(context, now());
  link.click();
  // the download has taken hold of the blob once the click has been handled
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
