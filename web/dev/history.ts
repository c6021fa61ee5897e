/** The mock's `/series`: windows of a day that is the same every day, and what has been published since. */
import type { Metric, Series } from '../src/api/types';
import { noise, rateAt, SENSOR_SHARE, TYPES } from './campus';
import { EPOCH, LATENESS, type Publish, type Scenario } from './published';
import { duration, list, type Question } from './question';
import { DAY, MINUTE, SECOND, type SiteTime } from './site-time';

type Metrics = Record<Metric, number | null>;

const METRICS: Metric[] = ['entries', 'speed_avg', 'speed_min', 'speed_max'];

export class History {
  constructor(
    private readonly time: SiteTime,
    private readonly published: readonly Publish[],
    private readonly scenario: Scenario,
  ) {}

  series(question: Question, now: number): Series {
    const [start, end] = this.range(question, now);
    const step = duration(question.step ?? '60s');
    const window = duration(question.window ?? '60s');
    const count = Math.ceil((end - start) / step);
    const columns: Record<Metric, (number | null)[]> = {
      entries: [],
      speed_avg: [],
      speed_min: [],
      speed_max: [],
    };
    const coverage: number[] = [];
    const state: Series['series'][number]['state'] = [];
    for (let i = 0; i < count; i += 1) {
      const to = start + (i + 1) * step;
      const row = this.window(question, Math.max(to - window, start), Math.min(to, now), now);
      coverage.push(row.coverage);
      state.push(to > now ? 'live' : to > now - LATENESS ? 'provisional' : 'final');
      for (const metric of METRICS) columns[metric].push(row[metric]);
    }
    const speed = (v: (number | null)[]) => ({ unit: 'm/s' as const, v });
    return {
      metrics: [...METRICS],
      start: this.time.stamp(start),
      end: this.time.stamp(end),
      step_s: step / SECOND,
      window_s: window / SECOND,
      mode: 'rolling',
      label: 'end',
      tz: this.time.tz,
      fill: (question.fill ?? 'auto') as Series['fill'],
      watermark: this.time.stamp(now - LATENESS),
      approx: false,
      stale: false,
      series: [
        {
          key: { sensor: question.sensor ?? 'all', type: question.type ?? 'all' },
          n: count,
          entries: { unit: 'count', v: columns.entries },
          speed_avg: speed(columns.speed_avg),
          speed_min: speed(columns.speed_min),
          speed_max: speed(columns.speed_max),
          coverage,
          state,
        },
      ],
      stream: {
        topic: 'series',
        filter: JSON.stringify(question),
        epoch: EPOCH,
        offset: Math.floor(now / SECOND),
      },
    };
  }

  /** The asked range on whole panes of ten seconds. */
  range(question: Question, now: number): [from: number, to: number] {
    const resolve = (word: string): number => {
      const ago = /^now-(\d+)([smhd])$/.exec(word);
      if (word === 'now') return now;
      if (word === 'today') return this.time.midnight(now);
      if (word === 'week') return this.time.midnight(now) - ((new Date(now).getUTCDay() + 6) % 7) * DAY;
      if (ago) return now - duration(`${ago[1]}${ago[2]}`);
      if (/^\d{4}-\d{2}-\d{2}$/.test(word)) return this.time.midnight(Date.parse(`${word}T12:00:00Z`));
      return Date.parse(word);
    };
    const pane = 10 * SECOND;
    return [
      Math.floor(resolve(question.start ?? 'today') / pane) * pane,
      Math.ceil(resolve(question.end ?? 'now') / pane) * pane,
    ];
  }

  private window(question: Question, from: number, to: number, now: number): Metrics & { coverage: number } {
    const sensors = list(question.sensor) ?? Object.keys(SENSOR_SHARE);
    const types = list(question.type);
    const minute = (from - this.time.midnight(from)) / MINUTE;
    const dark = this.scenario === 'empty' || (minute >= 430 && minute < 445 && from > now - 2 * DAY);
    const covered = dark
      ? 0
      : sensors.filter((id) => !(id === 'sh-02' && from > now - 14 * MINUTE && this.scenario !== 'calm'))
          .length / sensors.length;
    const typeShare = TYPES.filter((type) => types === null || types.includes(type.id)).reduce(
      (sum, type) => sum + type.share,
      0,
    );
    const share = sensors.reduce((sum, id) => sum + (SENSOR_SHARE[id] ?? 0), 0) * typeShare;
    const crowd = rateAt(minute) * share * ((to - from) / MINUTE);
    const extra = this.published.filter(
      (p) =>
        p.received <= now &&
        p.at >= from &&
        p.at < to &&
        (list(question.sensor)?.includes(p.sensor) ?? true) &&
        (types?.includes(p.type) ?? true),
    );
    const travelers = new Set(extra.map((p) => `${p.sensor} ${p.traveler}`)).size;
    if (covered === 0 && travelers === 0) {
      return {
        coverage: 0,
        entries: question.fill === 'zero' ? 0 : null,
        speed_avg: null,
        speed_min: null,
        speed_max: null,
      };
    }
    const key = Math.floor(from / MINUTE);
    const entries =
      Math.max(
        0,
        Math.round(crowd * (0.86 + 0.28 * noise(key)) + (crowd > 3 ? noise(key, 1) * 3 - 1.5 : 0)),
      ) + travelers;
    const walks = crowd > 0.2;
    const dense = Math.min(1, crowd / 40);
    const round = (value: number) => Math.round(value * 100) / 100;
    return {
      coverage: Math.round(covered * 100) / 100,
      entries,
      speed_avg: walks ? round(1.37 - 0.16 * dense + 0.03 * (noise(key, 2) - 0.5)) : null,
      speed_min: walks ? round(0.98 - 0.42 * dense - 0.16 * noise(key >> 2, 3)) : null,
      speed_max: walks
        ? round(1.68 + 0.3 * Math.min(1, crowd / 12) + 0.12 * (noise(key >> 2, 4) - 0.5))
        : null,
    };
  }
}
