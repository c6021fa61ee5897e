/**
 * The answer of the page as sentences: how many people, and why to care. Pure, so that every wording is
 * tested with the overview that leads to it.
 */
import type { Overview, OverviewZone } from '../api/types';
import type { Speech } from '../format';

export interface Answer {
  headline: string;
  /** The headline's number and its words, for the wall where they are set apart. */
  figure: { value: string; words: string } | null;
  lede: { text: string; tone: 'plain' | 'alarm' }[];
}

export interface AnswerOptions {
  /** True if only some sensors are chosen. */
  narrowed: boolean;
  types: readonly string[];
  now: number;
}

/** Nothing has ever been seen: the page says how to begin instead of counting nobody. */
export function isEmpty(overview: Overview): boolean {
  return overview.zones.every((zone) => zone.seen === null);
}

/** The zones that hold one of the chosen sensors; all of them when none is chosen. */
export function zonesShown(overview: Overview, sensors: readonly string[] | undefined): OverviewZone[] {
  if (sensors === undefined || sensors.length === 0) return overview.zones;
  return overview.zones.filter((zone) => zone.sensors.some((sensor) => sensors.includes(sensor)));
}

export function answerOf(
  overview: Overview,
  zones: OverviewZone[],
  options: AnswerOptions,
  speech: Speech,
): Answer {
  const { t, f } = speech;
  if (isEmpty(overview)) {
    return { headline: t('noSensorsYet'), figure: null, lede: [{ text: t('emptyLead'), tone: 'plain' }] };
  }
  const counted = zones.filter((zone) => zone.state !== 'no_data');
  const lede = ledeOf(overview, zones, options, speech);
  if (counted.length === 0) {
    const seen = zones.flatMap((zone) => (zone.seen === null ? [] : [Date.parse(zone.seen)]));
    const last = zones.reduce((sum, zone) => sum + zone.n, 0);
    const headline =
      seen.length === 0
        ? t('noSensorReporting')
        : t('lastCount', { n: last, time: f.dayTime(Math.max(...seen), options.now) });
    return { headline, figure: null, lede };
  }
  const n = options.narrowed ? counted.reduce((sum, zone) => sum + zone.n, 0) : overview.on_site;
  return {
    headline: headlineOf(n, zones, options.narrowed, speech),
    figure: options.narrowed ? null : { value: f.count(n), words: peopleWords(n, speech) },
    lede,
  };
}

/** For how long something is silent: as the server counted it by receipt, and as long as its answer has aged. */
export function silentMs(silent: { silent_s: number | null }, asOf: string, now: number): number | null {
  if (silent.silent_s === null) return null;
  return silent.silent_s * 1_000 + Math.max(0, now - Date.parse(asOf));
}

function headlineOf(n: number, zones: OverviewZone[], narrowed: boolean, { t }: Speech): string {
  if (!narrowed) return t('onSite', { n });
  const only = zones.length === 1 ? zones[0] : undefined;
  if (only?.id === UNASSIGNED) return t('atUnassigned', { n });
  return only ? t('inZone', { n, zone: zoneName(only, t) }) : t('inZones', { n, zones: zones.length });
}

function peopleWords(n: number, { t }: Speech): string {
  return t('peopleOnSite', { n });
}

/** The server's place for the sensors that stand in no zone. It has no name of its own. */
const UNASSIGNED = 'unassigned';

export function zoneName(zone: { id: string; name: string }, t: Speech['t']): string {
  return zone.id === UNASSIGNED ? t('unassigned') : zone.name;
}

function ledeOf(
  overview: Overview,
  zones: OverviewZone[],
  options: AnswerOptions,
  speech: Speech,
): Answer['lede'] {
  const { t, f } = speech;
  const lede: Answer['lede'] = [];
  const plain = (text: string) => lede.push({ text, tone: 'plain' });
  if (options.types.length > 0) plain(t('onlyTypes', { types: f.list([...options.types]) }));
  if (overview.typical !== null && overview.typical > 0)
    plain(comparison(overview.on_site / overview.typical, speech));

  const silent = zones.filter((zone) => zone.state === 'no_data');
  const full = zones.filter((zone) => zone.state === 'over');
  if (silent.length === zones.length && zones.length > 0)
    lede.push({ text: t('noSensorReporting'), tone: 'alarm' });
  else lede.push(...silentParts(silent, overview.as_of, options.now, speech));
  if (full.length > 0) {
    const names = full.map((zone) => zoneName(zone, t));
    plain(
      full.length === 1 ? t('zoneOver', { zone: names[0] ?? '' }) : t('zonesOver', { zones: f.list(names) }),
    );
  }
  // beside others that speak: their zone is counted without them
  const missing = overview.silent_sensors.filter(({ id }) =>
    zones.some((zone) => zone.state !== 'no_data' && zone.sensors.includes(id)),
  );
  if (missing.length > 0) plain(t('sensorsMissing', { n: missing.length }));
  if (silent.length === 0 && full.length === 0) plain(calm(overview, zones, speech));
  return lede.filter(({ text }) => text !== '');
}

function silentParts(silent: OverviewZone[], asOf: string, now: number, { t, f }: Speech): Answer['lede'] {
  const [first, ...others] = silent;
  if (first === undefined) return [];
  if (others.length > 0) {
    const zones = f.list(silent.map((zone) => zoneName(zone, t)));
    return [
      { text: t('zonesSilent', { zones }), tone: 'alarm' },
      { text: t('notCountedMany'), tone: 'plain' },
    ];
  }
  const zone = zoneName(first, t);
  const many = first.id === UNASSIGNED;
  const silence = silentMs(first, asOf, now);
  const text =
    silence === null
      ? t(many ? 'unassignedNeverSeen' : 'zoneNeverSeen', { zone })
      : t(many ? 'unassignedSilent' : 'zoneSilent', { zone, time: f.duration(silence) });
  return [
    { text, tone: 'alarm' },
    { text: t(many ? 'notCountedMany' : 'notCounted'), tone: 'plain' },
  ];
}

function comparison(ratio: number, { t, f }: Speech): string {
  const percent = f.percent(Math.abs(ratio - 1));
  if (Math.abs(ratio - 1) < 0.02) return t('asUsual');
  return ratio > 1 ? t('busierThanUsual', { percent }) : t('quieterThanUsual', { percent });
}

/** Nothing is wrong: say where it is fullest, or else that every sensor reports. */
function calm(overview: Overview, zones: OverviewZone[], { t, f }: Speech): string {
  const fullest = zones.reduce<OverviewZone | null>(
    (best, zone) => ((zone.share ?? 0) > (best?.share ?? 0) ? zone : best),
    null,
  );
  if (fullest?.share != null && zones.length > 1) {
    return t('zoneBusiest', { zone: zoneName(fullest, t), share: f.percent(fullest.share) });
  }
  const sensors = new Set(zones.flatMap((zone) => zone.sensors)).size;
  return overview.silent_sensors.length === 0 && sensors > 0 ? t('allReporting', { n: sensors }) : '';
}
