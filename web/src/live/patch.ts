/**
 * How a delta changes what is already known. Pure: an overview is patched by RFC 7396, a series by index.
 * Each result carries its own position in the stream, so that data and position can never part.
 */
import type { Overview, OverviewZone, Series, SeriesDelta, SeriesItem, SilentSensor } from '../api/types';
import type { Json, JsonObject } from './protocol';

export interface Delta {
  from: number;
  to: number;
  d: JsonObject;
}

/** `applied` with the new data, `old` for a frame already contained, `gap` when frames are missing. */
export type Patched<T> = { kind: 'applied'; data: T } | { kind: 'old' } | { kind: 'gap' };

/** RFC 7396: null removes, objects merge, anything else replaces. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const merged: JsonObject = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else if (value !== undefined) merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The overview of a snapshot: `zones` and `silent_sensors` come keyed by id there. */
export function overviewFromSnapshot(d: JsonObject, epoch: string, offset: number): Overview {
  return fromKeyed(d, { topic: 'overview', filter: '', epoch, offset });
}

export function patchOverview(overview: Overview, delta: Delta): Patched<Overview> {
  const position = overview.stream.offset;
  if (delta.to <= position) return { kind: 'old' };
  if (delta.from !== position) return { kind: 'gap' };
  const merged = mergePatch(toKeyed(overview), delta.d);
  return {
    kind: 'applied',
    data: fromKeyed(merged as JsonObject, { ...overview.stream, offset: delta.to }),
  };
}

function toKeyed(overview: Overview): JsonObject {
  const { zones, silent_sensors, stream: _, ...rest } = overview;
  return {
    ...rest,
    zones: Object.fromEntries(zones.map((zone, order) => [zone.id, { ...zone, order }])),
    silent_sensors: Object.fromEntries(
      silent_sensors.map((sensor, order) => [sensor.id, { ...sensor, order }]),
    ),
  };
}

/** Back to the shape of the REST answer; what a merge patch has removed reads as null again. */
function fromKeyed(state: JsonObject, stream: Overview['stream']): Overview {
  const given = state as Partial<Overview>;
  return {
    as_of: given.as_of ?? '',
    on_site: given.on_site ?? 0,
    counted_zones: given.counted_zones ?? 0,
    typical: given.typical ?? null,
    lag_ms: given.lag_ms ?? null,
    open_alerts: given.open_alerts ?? 0,
    watermark: given.watermark ?? null,
    stale: given.stale ?? false,
    zones: inOrder(state.zones).map(zoneOf),
    silent_sensors: inOrder(state.silent_sensors).map(silentOf),
    stream,
  };
}

function inOrder(keyed: Json | undefined): JsonObject[] {
  if (!isObject(keyed)) return [];
  const rows = Object.entries(keyed).map(([id, row]): JsonObject => ({ id, ...(isObject(row) ? row : {}) }));
  const order = (row: JsonObject) => (typeof row.order === 'number' ? row.order : Number.MAX_SAFE_INTEGER);
  return rows.sort((a, b) => order(a) - order(b));
}

function zoneOf(row: JsonObject): OverviewZone {
  const { order: _, ...given } = row as Partial<OverviewZone> & { order?: number };
  const id = given.id ?? '';
  return {
    ...given,
    id,
    name: given.name ?? id,
    n: given.n ?? 0,
    capacity: given.capacity ?? null,
    share: given.share ?? null,
    state: given.state ?? 'normal',
    seen: given.seen ?? null,
    silent_s: given.silent_s ?? null,
    sensors: given.sensors ?? [],
  };
}

function silentOf(row: JsonObject): SilentSensor {
  const given = row as Partial<SilentSensor>;
  return {
    id: given.id ?? '',
    zone: given.zone ?? null,
    last_seen: given.last_seen ?? null,
    silent_s: given.silent_s ?? null,
  };
}

export function patchSeries(series: Series, delta: Delta): Patched<Series> {
  const position = series.stream.offset;
  if (delta.to <= position) return { kind: 'old' };
  const d = delta.d as unknown as SeriesDelta;
  const item = series.series[d.k];
  if (delta.from !== position || item === undefined || d.i !== item.coverage.length) return { kind: 'gap' };
  const patched = { ...item };
  const names = columnsOf(series);
  const grown = Math.max(...names.map((name) => appendedOf(d, name).length));
  for (const name of names) setColumn(patched, name, patchColumn(columnOf(item, name), d, name, grown));
  patched.n = patched.coverage.length;
  return {
    kind: 'applied',
    data: {
      ...series,
      end: d.end ?? series.end,
      watermark: d.watermark === undefined ? series.watermark : d.watermark,
      stale: d.stale ?? series.stale,
      series: series.series.with(d.k, patched),
      stream: { ...series.stream, offset: delta.to },
    },
  };
}

type Column = (number | string | null)[];
const PLAIN_COLUMNS = ['coverage', 'state'] as const;

function columnsOf(series: Series): string[] {
  return [...series.metrics, ...PLAIN_COLUMNS];
}

function columnOf(item: SeriesItem, name: string): Column {
  const column = (item as unknown as Record<string, Column | { v: Column } | null | undefined>)[name];
  return (Array.isArray(column) ? column : column?.v) ?? [];
}

function setColumn(item: SeriesItem, name: string, values: Column): void {
  const columns = item as unknown as Record<string, Column | { unit: string; v: Column }>;
  const before = columns[name];
  columns[name] = Array.isArray(before) || before === undefined ? values : { ...before, v: values };
}

function appendedOf(d: SeriesDelta, name: string): Column {
  const appended = (d as unknown as Record<string, unknown>)[name];
  return Array.isArray(appended) ? appended : [];
}

/** Late data first, then the new windows at the right edge. An untouched column stays the same array. */
function patchColumn(values: Column, d: SeriesDelta, name: string, grown: number): Column {
  const replaced = (d.replace ?? []).flatMap(([index, cells]) => {
    const row: Record<string, number | string | null | undefined> = cells;
    return name in row ? [[index, row[name] ?? null] as const] : [];
  });
  if (replaced.length === 0 && grown === 0) return values;
  const copy = values.slice();
  for (const [index, value] of replaced) copy[index] = value;
  const appended = appendedOf(d, name);
  for (let i = 0; i < grown; i += 1) copy.push(appended[i] ?? null);
  return copy;
}
