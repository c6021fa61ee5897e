/**
 * A campus for developing and testing the dashboard without the stack: every answer of the API is a pure
 * function of the instant and of what has been published. So a delta is the difference of two answers,
 * and a test that asks for a given time gets the same day every time.
 */
import type { Overview, OverviewZone, Sensor, Series, Site } from '../src/api/types';
import { noise, type Place, TYPES, ZONES } from './campus';
import { History } from './history';
import { EPOCH, IDLE_GAP, LATENESS, type Publish, type Scenario } from './published';
import { list, type Question } from './question';
import { MINUTE, SECOND, SiteTime } from './site-time';

export class Campus {
  readonly published: Publish[] = [];

  private readonly time: SiteTime;
  private readonly history: History;

  constructor(
    private readonly scenario: Scenario = 'day',
    tz = 'Europe/London',
  ) {
    this.time = new SiteTime(tz);
    this.history = new History(this.time, this.published, scenario);
  }

  stamp(at: number): string {
    return this.time.stamp(at);
  }

  series(question: Question, now: number): Series {
    return this.history.series(question, now);
  }

  /** The asked range on whole panes of ten seconds. */
  range(question: Question, now: number): [from: number, to: number] {
    return this.history.range(question, now);
  }

  site(now: number): Site {
    return {
      id: 'main',
      name: 'Main campus',
      tz: this.time.tz,
      locale: 'en-GB',
      now: this.time.stamp(now),
      features: ['movement'],
      feeds: { movement: true },
      heartbeat_s: 30,
      silent_after_s: 60,
      lateness_s: LATENESS / SECOND,
      idle_gap_s: IDLE_GAP / SECOND,
      pane_s: 10,
      mqtt_topic: 'footfall/main/{device}/positions',
      mqtt: null,
      version: '0.1.0',
    };
  }

  /** Sensors published to that are not part of the campus. */
  private strangers(now: number): string[] {
    const known = new Set(ZONES.flatMap((zone) => zone.sensors));
    return [
      ...new Set(
        this.published.filter((p) => p.received <= now && !known.has(p.sensor)).map((p) => p.sensor),
      ),
    ];
  }

  /** When a sensor was last heard, or null. */
  private lastSeen(sensor: string, now: number): number | null {
    const own = this.published.filter((p) => p.sensor === sensor && p.received <= now).map((p) => p.at);
    const latest = own.length > 0 ? Math.max(...own) : null;
    if (this.scenario === 'empty' || this.strangers(now).includes(sensor)) return latest;
    const silentSince =
      this.scenario === 'blind' || (sensor === 'sh-02' && this.scenario !== 'calm') ? 14 * MINUTE : SECOND;
    return Math.max(latest ?? 0, Math.floor((now - silentSince) / SECOND) * SECOND);
  }

  private silent(sensor: string, now: number): boolean {
    const seen = this.lastSeen(sensor, now);
    return seen === null || now - seen > 150 * SECOND;
  }

  private people(zone: Place, types: string[] | null, now: number): number {
    const capacity = zone.capacity ?? 0;
    const share = TYPES.filter((type) => types === null || types.includes(type.id)).reduce(
      (sum, type) => sum + type.share,
      0,
    );
    const seconds = Math.floor(now / (2 * SECOND));
    const minute = (now - this.time.midnight(now)) / MINUTE;
    const day =
      Math.min(1, Math.max(0, (minute - 370) / 160)) *
      (minute > 1_080 ? Math.max(0, (1_380 - minute) / 300) : 1);
    const wave = 0.05 * Math.sin(minute / 11 + capacity) + 0.012 * (noise(seconds, capacity) - 0.5);
    return this.scenario === 'empty' ? 0 : Math.round(capacity * (zone.share + wave) * day * share);
  }

  /** Published travelers a sensor still has before it. */
  private visitors(sensor: string, types: string[] | null, now: number): number {
    const open = this.published.filter(
      (p) =>
        p.sensor === sensor &&
        p.received <= now &&
        now - p.received < IDLE_GAP &&
        (types === null || types.includes(p.type)),
    );
    return new Set(open.map((p) => p.traveler)).size;
  }

  overview(question: Question, now: number): Overview {
    const sensors = list(question.sensor);
    const types = list(question.type);
    const strangers = this.strangers(now);
    const places: Place[] = [
      ...ZONES,
      ...(strangers.length > 0
        ? [{ id: 'unassigned', name: 'unassigned', capacity: null, share: 0, sensors: strangers }]
        : []),
    ];
    const zones = places
      .map((zone) => ({
        ...zone,
        sensors: zone.sensors.filter((id) => sensors === null || sensors.includes(id)),
      }))
      .filter((zone) => zone.sensors.length > 0)
      .map((zone) => this.zoneRow(zone, types, now));
    const counted = zones.filter((zone) => zone.state !== 'no_data');
    const silent = places
      .flatMap((zone) => zone.sensors.map((id) => ({ id, zone: zone.id === 'unassigned' ? null : zone.id })))
      .filter(({ id }) => this.silent(id, now) && (sensors === null || sensors.includes(id)));
    const quiet = this.scenario === 'empty' && this.published.every((p) => p.received > now);
    return {
      as_of: this.time.stamp(now),
      on_site: counted.reduce((sum, zone) => sum + zone.n, 0),
      counted_zones: counted.length,
      typical: null,
      lag_ms: quiet ? null : 900 + Math.round(900 * noise(Math.floor(now / 5_000))),
      open_alerts: 0,
      watermark: quiet ? null : this.time.stamp(now - LATENESS),
      stale: false,
      zones,
      silent_sensors: silent.map(({ id, zone }) => ({ id, zone, ...this.silence(id, now) })),
      stream: { topic: 'overview', filter: '', epoch: EPOCH, offset: Math.floor(now / SECOND) },
    };
  }

  private silence(sensor: string, now: number): { last_seen: string | null; silent_s: number | null } {
    const seen = this.lastSeen(sensor, now);
    return {
      last_seen: seen === null ? null : this.time.stamp(seen),
      silent_s: seen === null ? null : Math.floor((now - seen) / SECOND),
    };
  }

  private zoneRow(zone: Place, types: string[] | null, now: number): OverviewZone {
    const seen = zone.sensors.map((id) => this.lastSeen(id, now)).filter((at) => at !== null);
    const latest = seen.length > 0 ? Math.max(...seen) : null;
    const silent = zone.sensors.every((id) => this.silent(id, now));
    const whole = ZONES.find((known) => known.id === zone.id)?.sensors.length ?? zone.sensors.length;
    const crowd =
      zone.capacity === null
        ? 0
        : this.people(zone, types, silent && latest ? latest : now) * (zone.sensors.length / whole);
    const n = Math.round(crowd) + zone.sensors.reduce((sum, id) => sum + this.visitors(id, types, now), 0);
    const share = zone.capacity === null ? null : Math.round((1_000 * n) / zone.capacity) / 1_000;
    const state = silent
      ? 'no_data'
      : share === null || share <= 0.8
        ? 'normal'
        : share <= 1
          ? 'busy'
          : 'over';
    return {
      id: zone.id,
      name: zone.name,
      n,
      capacity: zone.capacity,
      share,
      state,
      seen: latest === null ? null : this.time.stamp(latest),
      silent_s: silent && latest ? Math.floor((now - latest) / SECOND) : null,
      sensors: zone.sensors,
    };
  }

  sensors(now: number): Sensor[] {
    const rows = ZONES.flatMap((zone) =>
      zone.sensors.map((id, i) => ({
        id,
        zone: zone.id as string | null,
        name: zone.sensors.length > 1 ? `${zone.name}, door ${i + 1}` : zone.name,
        registered: true,
      })),
    );
    for (const id of this.strangers(now)) rows.push({ id, zone: null, name: id, registered: false });
    return rows.map((row) => {
      const seen = this.lastSeen(row.id, now);
      const state = seen === null ? 'unknown' : this.silent(row.id, now) ? 'offline' : 'online';
      const at = seen === null ? null : this.time.stamp(seen);
      return {
        ...row,
        kind: 'movement',
        last_seen: at,
        watermark: at,
        state,
        present: this.visitors(row.id, null, now),
        silent_after_s: 60,
      };
    });
  }
}
