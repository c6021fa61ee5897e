/**
 * What the charts of a page share: the windows of one answer, the stretch of the axis, its ticks and its
 * gaps in words. Charts beside each other have one axis of time, so it is made once.
 */
import type { Series, SeriesItem } from '../api/types';
import {
  gapsOf,
  isMeasured,
  type Stretch,
  stretchOf,
  tailStart,
  valuesOf,
  type Windows,
  windowsOf,
} from '../chart/model';
import type { Picture } from '../chart/picture';
import type { Format, Speech } from '../format';
import { DAY_MS, type Tick, ticks } from '../time/ticks';
import { lastDay } from './shared';

export interface ChartFrame {
  item: SeriesItem;
  windows: Windows;
  stretch: Stretch;
  /** The part of a picture that every chart of the page has. */
  base: Pick<Picture, 'windows' | 'domain' | 'ticks' | 'gaps' | 'tail' | 'present'>;
  /** True if nothing was measured anywhere on the axis. */
  blind: boolean;
  follows: boolean;
}

/** How many ticks an axis has at most; every other one is left out on a phone. */
const TICKS_MAX = 8;

export interface FrameOptions {
  /** The range ends now. */
  follows: boolean;
  /** The range begins at a midnight nobody chose. */
  trims: boolean;
}

/** Null when the answer holds no series at all. */
export function frameOf(series: Series, options: FrameOptions, speech: Speech): ChartFrame | null {
  const { t, f } = speech;
  const item = series.series[0];
  if (item === undefined || item.coverage.length === 0) return null;
  const windows = windowsOf(series, item, options.follows);
  const stretch = stretchOf(windows, valuesOf(item, 'entries'), {
    ...options,
    ticksMax: TICKS_MAX,
    tz: f.tz,
  });
  const { domain, tickMs } = stretch;
  const present = options.follows ? windows.range.to : null;
  const gaps = gapsOf(windows, domain);
  const blind = gaps.length === 1 && gaps[0]?.from === domain.from && gaps[0].to >= windows.range.to;
  const tail = arrivingFrom(windows);
  const at = (instant: number) => f.dayTime(instant, lastDay(windows));
  return {
    item,
    windows,
    stretch,
    follows: options.follows,
    blind,
    base: {
      windows,
      domain,
      present,
      ticks: ticks(domain.from, domain.to, tickMs, f.tz).map((tick, i) => ({
        ...tick,
        minor: i % 2 === 1,
        label: tickLabel(tick, tickMs, domain.to - domain.from, f),
      })),
      gaps: gaps.map((gap) => ({
        ...gap,
        label: blind
          ? ''
          : gap.to >= windows.range.to
            ? t('noDataSince', { from: at(gap.from) })
            : t('noDataFromTo', { from: at(gap.from), to: at(gap.to) }),
        short: blind ? '' : t('noData'),
      })),
      tail:
        tail === null || present === null
          ? null
          : {
              from: Math.max(domain.from, (windows.ends[tail] ?? 0) - windows.stepMs),
              label: t('stillArriving'),
            },
    },
  };
}

/** The first window that is still arriving and was measured: what nobody measures does not arrive. */
function arrivingFrom(windows: Windows): number | null {
  const tail = tailStart(windows);
  const measured = tail === null ? -1 : windows.ends.findIndex((_, i) => i >= tail && isMeasured(windows, i));
  return measured < 0 ? null : measured;
}

/** Marks of days are named; marks of hours carry the day where a new one begins. */
function tickLabel(tick: Tick, tickMs: number, spanMs: number, f: Format): string {
  if (tickMs >= 7 * DAY_MS) return f.dayMonth(tick.at);
  return tick.midnight && spanMs > DAY_MS ? f.day(tick.at) : f.time(tick.at);
}
