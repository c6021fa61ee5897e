/** The filter in words, for its buttons and for paper. */
import type { OverviewZone } from '../../api/types';
import type { Speech } from '../../format';
import { effective, type Search } from '../../search';
import { isMidnight, parseDuration, resolve, startOfDay } from '../../time/range';
import { zoneName } from '../answer';

const NAMES_MAX = 2;
const DAY_MS = 86_400_000;

/** Names of the zones when the chosen sensors are exactly theirs, else how many sensors. */
export function whereText(
  sensors: readonly string[] | undefined,
  zones: readonly OverviewZone[],
  { t }: Speech,
): string {
  if (sensors === undefined || sensors.length === 0) return t('all');
  const chosen = new Set(sensors);
  const whole = zones.filter((zone) => zone.sensors.length > 0 && zone.sensors.every((id) => chosen.has(id)));
  const covered = whole.reduce((sum, zone) => sum + zone.sensors.length, 0);
  if (covered === chosen.size && whole.length <= NAMES_MAX)
    return whole.map((zone) => zoneName(zone, t)).join(', ');
  return sensors.length <= NAMES_MAX ? sensors.join(', ') : t('sensorsCount', { n: sensors.length });
}

export function whoText(types: readonly string[] | undefined, { t }: Speech): string {
  if (types === undefined || types.length === 0) return t('all');
  return types.length <= NAMES_MAX ? types.join(', ') : t('typesCount', { n: types.length });
}

export function whenText(search: Search, now: number, { t, f }: Speech): string {
  const { start, end } = effective(search);
  if (end === 'now') {
    if (start === 'today') return t('todayToNow');
    if (start === 'week') return t('thisWeek');
    if (start === 'now-1h') return t('lastHour');
    if (start === 'now-24h') return t('last24Hours');
  }
  const from = resolve(start, now, f.tz);
  const to = resolve(end, now, f.tz);
  const wholeDay = isMidnight(from, f.tz) && isMidnight(to, f.tz) && startOfDay(to - 1, f.tz) === from;
  if (wholeDay) return f.date(from);
  const sameDay = startOfDay(to, f.tz) === startOfDay(from, f.tz) && to - from < DAY_MS;
  return t('fromTo', { from: f.dayTime(from, now), to: sameDay ? f.time(to) : f.dayTime(to, now) });
}

export function perText(search: Search, { t, f }: Speech): string {
  const { window, step } = effective(search);
  const windowText = f.duration(parseDuration(window) ?? 0);
  if (parseDuration(window) === parseDuration(step)) return windowText;
  return t('perRolling', { window: windowText, step: f.duration(parseDuration(step) ?? 0) });
}
