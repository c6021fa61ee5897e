/**
 * A campus for developing and testing the dashboard without the stack: every answer of the API is a pure
 * function of the instant and of what has been published. So a delta is the difference of two answers,
 * and a test that asks for a given time gets the same day every time.
 */
import type { Metric, Overview, OverviewZone, Sensor, Series, Site } from '../src/api/types';

/** A position that was published, as far as the mock cares. */
export interface Publish {
  sensor: string;
  traveler: string;
  type: string;
  at: number;
  received: number;
}

/** Query parameters, or a subscription's `params`: the same strings. */
export type Question = Partial<Record<'sensor' | 'type' | 'start' | 'end' | 'window' | 'step' | 'fill' | 'metric', string>>;

export type Scenario =
  | 'day'
  /** nothing has ever been seen */
  | 'empty'
  /** every sensor is silent */
  | 'blind'
  /** every sensor reports */
  | 'calm';

interface Place {
  id: string;
  name: string;
  capacity: number | null;
  /** How full it is at its fullest. */
  share: number;
  sensors: string[];
}

type Metrics = Record<Metric, number | null>;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;
export const IDLE_GAP = 30 * SECOND;
export const LATENESS = 20 * MINUTE;
export const EPOCH = 'mock-1';
export const POINTS_MAX = 11_000;

const METRICS: Metric[] = ['entries', 'speed_avg', 'speed_min', 'speed_max'];

export const ZONES: Place[] = [
  { id: 'entrance', name: 'Main entrance', capacity: 300, share: 0.68, sensors: ['ent-1', 'ent-2'] },
  { id: 'lib', name: 'Library', capacity: 450, share: 0.83, sensors: ['lib-1'] },
  { id: 'cafe', name: 'Atrium café', capacity: 90, share: 1.02, sensors: ['cafe-1'] },
  { id: 'eng', name: 'Engineering', capacity: 400, share: 0.34, sensors: ['eng-1'] },
  { id: 'sports', name: 'Sports hall', capacity: 240, share: 0.13, sensors: ['sh-02'] },
];
export const TYPES = [
  { id: 'student', share: 0.64 },
  { id: 'staff', share: 0.24 },
  { id: 'visitor', share: 0.12 },
];
const SENSOR_SHARE: Record<string, number> = {
  'ent-1': 0.31, 'ent-2': 0.2, 'lib-1': 0.22, 'cafe-1': 0.12, 'eng-1': 0.1, 'sh-02': 0.05,
};

/** A number in 0..1 that depends on nothing but its arguments. */
function noise(a: number, b = 0): number {
  let x = (Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35)) >>> 0;
  x ^= x >>> 15;
  x = Math.imul(x, 0x2c1b3c6d) >>> 0;
  x ^= x >>> 12;
  return (Math.imul(x, 0x297a2d39) >>> 0) / 2 ** 32;
}

function bump(x: number, centre: number, width: number, height: number): number {
  return height * Math.exp(-(((x - centre) / width) ** 2));
}

/** Entries a minute over the whole campus at a minute of the local day. */
function rateAt(minute: number): number {
  if (minute < 375) return 0;
  const base = minute > 1_320 ? 0 : Math.min(12, Math.max(0, (minute - 375) / 14)) * (minute > 1_080 ? 0.35 : 1);
  return base + bump(minute, 535, 22, 27) + bump(minute, 597, 12, 14) + bump(minute, 659, 11, 17)
    + bump(minute, 720, 20, 24) + bump(minute, 783, 14, 15) + bump(minute, 843, 12, 13) + bump(minute, 905, 14, 11);
}

export class Campus {
  readonly published: Publish[] = [];

  constructor(
    private readonly scenario: Scenario = 'day',
    private readonly tz = 'Europe/London',
  ) {}

  /** Local midnight at or before an instant. */
  private midnight(at: number): number {
    const parts = new Intl.DateTimeFormat('en-GB', { timeZone: this.tz, hourCycle: 'h23', hour: 'numeric', minute: 'numeric', second: 'numeric' })
      .formatToParts(at).filter((part) => part.type !== 'literal').map((part) => Number(part.value));
    const [hour = 0, minute = 0, second = 0] = parts;
    return Math.floor(at / SECOND) * SECOND - ((hour * 60 + minute) * 60 + second) * SECOND;
  }

  stamp(at: number): string {
    const offset = (this.tz === 'UTC' ? 'GMT' : new Intl.DateTimeFormat('en-GB', { timeZone: this.tz, timeZoneName: 'longOffset' })
      .formatToParts(at).find((part) => part.type === 'timeZoneName')?.value ?? 'GMT').slice(3) || '+00:00';
    const sign = offset.startsWith('-') ? -1 : 1;
    const [hours = 0, minutes = 0] = offset.slice(1).split(':').map(Number);
    return `${new Date(at + sign * (hours * 60 + minutes) * MINUTE).toISOString().slice(0, 19)}${offset}`;
  }

  site(now: number): Site {
    return {
      id: 'main', name: 'Main campus', tz: this.tz, locale: 'en-GB', now: this.stamp(now), features: ['movement'],
      feeds: { movement: true }, heartbeat_s: 30, silent_after_s: 60, lateness_s: LATENESS / SECOND,
      idle_gap_s: IDLE_GAP / SECOND, pane_s: 10, mqtt_topic: 'footfall/main/{device}/positions', version: '0.1.0',
    };
  }

  /** Sensors published to that are not part of the campus. */
  private strangers(now: number): string[] {
    const known = new Set(ZONES.flatMap((zone) => zone.sensors));
    return [...new Set(this.published.filter((p) => p.received <= now && !known.has(p.sensor)).map((p) => p.sensor))];
  }

  /** When a sensor was last heard, or null. */
  private lastSeen(sensor: string, now: number): number | null {
    const own = this.published.filter((p) => p.sensor === sensor && p.received <= now).map((p) => p.at);
    const latest = own.length > 0 ? Math.max(...own) : null;
    if (this.scenario === 'empty' || this.strangers(now).includes(sensor)) return latest;
    const silentSince = this.scenario === 'blind' || (sensor === 'sh-02' && this.scenario !== 'calm') ? 14 * MINUTE : SECOND;
    return Math.max(latest ?? 0, Math.floor((now - silentSince) / SECOND) * SECOND);
  }

  private silent(sensor: string, now: number): boolean {
    const seen = this.lastSeen(sensor, now);
    return seen === null || now - seen > 150 * SECOND;
  }

  private people(zone: Place, types: string[] | null, now: number): number {
    const capacity = zone.capacity ?? 0;
    const share = TYPES.filter((type) => types === null || types.includes(type.id)).reduce((sum, type) => sum + type.share, 0);
    const seconds = Math.floor(now / (2 * SECOND));
    const minute = (now - this.midnight(now)) / MINUTE;
    const day = Math.min(1, Math.max(0, (minute - 370) / 160)) * (minute > 1_080 ? Math.max(0, (1_380 - minute) / 300) : 1);
    const wave = 0.05 * Math.sin(minute / 11 + capacity) + 0.012 * (noise(seconds, capacity) - 0.5);
    return this.scenario === 'empty' ? 0 : Math.round(capacity * (zone.share + wave) * day * share);
  }

  /** Published travelers a sensor still has before it. */
  private visitors(sensor: string, types: string[] | null, now: number): number {
    const open = this.published.filter((p) => p.sensor === sensor && p.received <= now && now - p.received < IDLE_GAP
      && (types === null || types.includes(p.type)));
    return new Set(open.map((p) => p.traveler)).size;
  }

  overview(question: Question, now: number): Overview {
    const sensors = list(question.sensor);
    const types = list(question.type);
    const strangers = this.strangers(now);
    const places: Place[] = [...ZONES, ...(strangers.length > 0 ? [{ id: 'unassigned', name: 'unassigned', capacity: null, share: 0, sensors: strangers }] : [])];
    const zones = places
      .map((zone) => ({ ...zone, sensors: zone.sensors.filter((id) => sensors === null || sensors.includes(id)) }))
      .filter((zone) => zone.sensors.length > 0)
      .map((zone) => this.zoneRow(zone, types, now));
    const counted = zones.filter((zone) => zone.state !== 'no_data');
    const silent = places.flatMap((zone) => zone.sensors.map((id) => ({ id, zone: zone.id === 'unassigned' ? null : zone.id })))
      .filter(({ id }) => this.silent(id, now) && (sensors === null || sensors.includes(id)));
    const quiet = this.scenario === 'empty' && this.published.every((p) => p.received > now);
    return {
      as_of: this.stamp(now), on_site: counted.reduce((sum, zone) => sum + zone.n, 0), counted_zones: counted.length,
      typical: null, lag_ms: quiet ? null : 900 + Math.round(900 * noise(Math.floor(now / 5_000))), open_alerts: 0,
      watermark: quiet ? null : this.stamp(now - LATENESS), stale: false, zones,
      silent_sensors: silent.map(({ id, zone }) => ({ id, zone, ...this.silence(id, now) })),
      stream: { topic: 'overview', epoch: EPOCH, offset: Math.floor(now / SECOND) },
    };
  }

  private silence(sensor: string, now: number): { last_seen: string | null; silent_s: number | null } {
    const seen = this.lastSeen(sensor, now);
    return { last_seen: seen === null ? null : this.stamp(seen), silent_s: seen === null ? null : Math.floor((now - seen) / SECOND) };
  }

  private zoneRow(zone: Place, types: string[] | null, now: number): OverviewZone {
    const seen = zone.sensors.map((id) => this.lastSeen(id, now)).filter((at) => at !== null);
    const latest = seen.length > 0 ? Math.max(...seen) : null;
    const silent = zone.sensors.every((id) => this.silent(id, now));
    const whole = ZONES.find((known) => known.id === zone.id)?.sensors.length ?? zone.sensors.length;
    const crowd = zone.capacity === null ? 0 : this.people(zone, types, silent && latest ? latest : now) * (zone.sensors.length / whole);
    const n = Math.round(crowd) + zone.sensors.reduce((sum, id) => sum + this.visitors(id, types, now), 0);
    const share = zone.capacity === null ? null : Math.round((1_000 * n) / zone.capacity) / 1_000;
    const state = silent ? 'no_data' : share === null || share <= 0.8 ? 'normal' : share <= 1 ? 'busy' : 'over';
    return {
      id: zone.id, name: zone.name, n, capacity: zone.capacity, share, state,
      seen: latest === null ? null : this.stamp(latest), silent_s: silent && latest ? Math.floor((now - latest) / SECOND) : null,
      sensors: zone.sensors,
    };
  }

  sensors(now: number): Sensor[] {
    const rows = ZONES.flatMap((zone) => zone.sensors.map((id, i) => ({ id, zone: zone.id as string | null,
      name: zone.sensors.length > 1 ? `${zone.name}, door ${i + 1}` : zone.name, registered: true })));
    for (const id of this.strangers(now)) rows.push({ id, zone: null, name: id, registered: false });
    return rows.map((row) => {
      const seen = this.lastSeen(row.id, now);
      const state = seen === null ? 'unknown' : this.silent(row.id, now) ? 'offline' : 'online';
      const at = seen === null ? null : this.stamp(seen);
      return { ...row, kind: 'movement', last_seen: at, watermark: at, state, present: this.visitors(row.id, null, now) };
    });
  }

  series(question: Question, now: number): Series {
    const [start, end] = this.range(question, now);
    const step = duration(question.step ?? '60s');
    const window = duration(question.window ?? '60s');
    const count = Math.ceil((end - start) / step);
    const columns: Record<Metric, (number | null)[]> = { entries: [], speed_avg: [], speed_min: [], speed_max: [] };
    const coverage: number[] = [];
    const state: Series['series'][number]['state'] = [];
    for (let i = 0; i < count; i += 1) {
      const to = start + (i + 1) * step;
      const row = this.window(question, Math.max(to - window, start), Math.min(to, now), now);
      coverage.push(row.coverage);
      state.push(to > now ? 'live' : to > now - LATENESS ? 'provisional' : 'final');
      for (const metric of METRICS) columns[metric].push(row[metric]);
    }
    const speed = (v: (number | null)[]) => ({ unit: 'm/s', v });
    return {
      metrics: [...METRICS], start: this.stamp(start), end: this.stamp(end),
      step_s: step / SECOND, window_s: window / SECOND, mode: 'rolling', label: 'end', tz: this.tz, fill: question.fill ?? 'auto',
      watermark: this.stamp(now - LATENESS), approx: false, stale: false,
      series: [{
        key: { sensor: question.sensor ?? 'all', type: question.type ?? 'all' }, n: count,
        entries: { unit: 'count', v: columns.entries }, speed_avg: speed(columns.speed_avg), speed_min: speed(columns.speed_min),
        speed_max: speed(columns.speed_max), coverage, state,
      }],
      stream: { topic: 'series', filter: JSON.stringify(question), epoch: EPOCH, offset: Math.floor(now / SECOND) },
    };
  }

  /** The asked range on whole panes of ten seconds. */
  range(question: Question, now: number): [from: number, to: number] {
    const resolve = (word: string): number => {
      const ago = /^now-(\d+)([smhd])$/.exec(word);
      if (word === 'now') return now;
      if (word === 'today') return this.midnight(now);
      if (word === 'week') return this.midnight(now) - ((new Date(now).getUTCDay() + 6) % 7) * DAY;
      if (ago) return now - duration(`${ago[1]}${ago[2]}`);
      if (/^\d{4}-\d{2}-\d{2}$/.test(word)) return this.midnight(Date.parse(`${word}T12:00:00Z`));
      return Date.parse(word);
    };
    const pane = 10 * SECOND;
    return [Math.floor(resolve(question.start ?? 'today') / pane) * pane, Math.ceil(resolve(question.end ?? 'now') / pane) * pane];
  }

  private window(question: Question, from: number, to: number, now: number): Metrics & { coverage: number } {
    const sensors = list(question.sensor) ?? Object.keys(SENSOR_SHARE);
    const types = list(question.type);
    const minute = (from - this.midnight(from)) / MINUTE;
    const dark = this.scenario === 'empty' || (minute >= 430 && minute < 445 && from > now - 2 * DAY);
    const covered = dark ? 0 : sensors.filter((id) => !(id === 'sh-02' && from > now - 14 * MINUTE && this.scenario !== 'calm')).length / sensors.length;
    const typeShare = TYPES.filter((type) => types === null || types.includes(type.id)).reduce((sum, type) => sum + type.share, 0);
    const share = sensors.reduce((sum, id) => sum + (SENSOR_SHARE[id] ?? 0), 0) * typeShare;
    const crowd = rateAt(minute) * share * ((to - from) / MINUTE);
    const extra = this.published.filter((p) => p.received <= now && p.at >= from && p.at < to && (list(question.sensor)?.includes(p.sensor) ?? true)
      && (types?.includes(p.type) ?? true));
    const travelers = new Set(extra.map((p) => `${p.sensor} ${p.traveler}`)).size;
    if (covered === 0 && travelers === 0) {
      return { coverage: 0, entries: question.fill === 'zero' ? 0 : null, speed_avg: null, speed_min: null, speed_max: null };
    }
    const key = Math.floor(from / MINUTE);
    const entries = Math.max(0, Math.round(crowd * (0.86 + 0.28 * noise(key)) + (crowd > 3 ? noise(key, 1) * 3 - 1.5 : 0))) + travelers;
    const walks = crowd > 0.2;
    const dense = Math.min(1, crowd / 40);
    const round = (value: number) => Math.round(value * 100) / 100;
    return {
      coverage: Math.round(covered * 100) / 100, entries,
      speed_avg: walks ? round(1.37 - 0.16 * dense + 0.03 * (noise(key, 2) - 0.5)) : null,
      speed_min: walks ? round(0.98 - 0.42 * dense - 0.16 * noise(key >> 2, 3)) : null,
      speed_max: walks ? round(1.68 + 0.3 * Math.min(1, crowd / 12) + 0.12 * (noise(key >> 2, 4) - 0.5)) : null,
    };
  }
}

export function duration(text: string): number {
  const match = /^(\d+)([smhd])$/.exec(text);
  return match ? Number(match[1]) * { s: SECOND, m: MINUTE, h: 60 * MINUTE, d: DAY }[match[2] as 's' | 'm' | 'h' | 'd'] : Number.NaN;
}

function list(text: string | undefined): string[] | null {
  return text && text !== 'all' ? text.split(',') : null;
}
