/** The frames of the stream as differences of two answers: merge patches for the overview, columns for series. */

import type { Metric, Overview, Series, SeriesItem } from '../src/api/types';

type Plain = Record<string, unknown>;

/** RFC 7396: what turns one object into the other. */
export function mergeDiff(before: Plain, after: Plain): Plain {
  const patch: Plain = {};
  for (const name of Object.keys(before)) if (!(name in after)) patch[name] = null;
  for (const [name, value] of Object.entries(after)) {
    const old = before[name];
    if (JSON.stringify(old) === JSON.stringify(value)) continue;
    patch[name] = isObject(old) && isObject(value) ? mergeDiff(old, value) : value;
  }
  return patch;
}

function isObject(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An overview with its lists keyed by id, as the stream carries it. */
export function keyed(overview: Overview | Omit<Overview, 'stream'>): Plain {
  const { zones, silent_sensors, ...rest } = overview;
  return {
    ...rest,
    zones: Object.fromEntries(zones.map((zone, order) => [zone.id, { ...zone, order }])),
    silent_sensors: Object.fromEntries(silent_sensors.map((sensor) => [sensor.id, sensor])),
  };
}

type Columns = Record<string, readonly (number | string | null)[]>;

export function seriesDiff(before: Series, after: Series): Plain {
  const [old, item] = [before.series[0], after.series[0]];
  if (!old || !item) throw new Error('the mock has one series');
  const was: Columns = { ...valuesOf(before, old), coverage: old.coverage, state: old.state };
  const is: Columns = { ...valuesOf(after, item), coverage: item.coverage, state: item.state };
  const d: Plain = { k: 0, i: old.n, watermark: after.watermark, end: after.end };
  const replaced = new Map<number, Plain>();
  for (const [name, values] of Object.entries(is)) {
    d[name] = values.slice(old.n);
    for (let i = 0; i < old.n; i += 1) {
      if (values[i] !== was[name]?.[i]) replaced.set(i, { ...replaced.get(i), [name]: values[i] });
    }
  }
  d.replace = [...replaced];
  return d;
}

function valuesOf(series: Series, item: SeriesItem): Columns {
  return Object.fromEntries(series.metrics.map((metric) => [metric, item[metric as Metric]?.v ?? []]));
}
