import { describe, expect, test } from 'vitest';
import type { Overview } from '../src/api/types';
import { answerOf, isEmpty, zonesShown } from '../src/parts/answer';
import { perText, whenText, whereText, whoText } from '../src/parts/filter/describe';
import { groupsOf } from '../src/parts/filter/WherePanel';
import { statusText } from '../src/shell/StatusPill';
import { NOW, overviewAt, speech } from './support';

function answer(overview: Overview, sensors?: string[], types: string[] = []) {
  const options = { narrowed: sensors !== undefined, types, now: NOW };
  const { headline, lede } = answerOf(overview, zonesShown(overview, sensors), options, speech);
  return { headline, lede: lede.map(({ text }) => text).join('|') };
}

describe('the answer', () => {
  test('is how many, and what is wrong', () => {
    const overview = overviewAt();
    expect(answer(overview)).toEqual({
      headline: `${overview.on_site} people on site`,
      lede: 'Sports hall has not reported for 14 min| and is not counted.|Atrium café is over capacity.',
    });
  });

  test('on a calm day says where it is fullest', () => {
    const overview = overviewAt(NOW, 'calm');
    const zones = overview.zones.map((zone) =>
      zone.id === 'cafe' ? { ...zone, state: 'normal' as const, share: 0.2 } : zone,
    );
    expect(answer({ ...overview, zones }).lede).toMatch(/^Library is the fullest, \d\d% of its capacity\.$/);
  });

  test('names sensors that are silent beside others, whose zone is counted', () => {
    const overview = overviewAt(NOW, 'calm');
    const silent = { id: 'ent-2', zone: 'ent', last_seen: null, silent_s: 61 };
    expect(answer({ ...overview, silent_sensors: [silent] }).lede).toContain(
      '1 sensor is silent and is not counted.',
    );
  });

  test('tells for how long a zone is silent by what was received, whatever clock its sensors have', () => {
    const overview = overviewAt();
    const zones = overview.zones.map((zone) =>
      zone.id === 'sports' ? { ...zone, seen: '2026-11-24T08:20:16+00:00' } : zone,
    );
    expect(answer({ ...overview, zones }).lede).toMatch(/^Sports hall has not reported for 14 min\|/);
    // the answer ages while no newer one comes
    const later = { narrowed: false, types: [], now: NOW + 5 * 60_000 };
    const { lede } = answerOf(overview, overview.zones, later, speech);
    expect(lede[0]?.text).toBe('Sports hall has not reported for 19 min');
  });

  test('names the sensors without a zone as what they are', () => {
    const overview = overviewAt(NOW, 'calm');
    const [library] = overview.zones.filter((zone) => zone.id === 'lib');
    if (library === undefined) throw new Error('the campus has a library');
    const stray = {
      ...library,
      id: 'unassigned',
      name: 'Unassigned',
      capacity: null,
      share: null,
      sensors: ['rv-x'],
    };
    const silent = { ...stray, n: 0, state: 'no_data' as const, silent_s: 780 };
    const { lede } = answer({ ...overview, zones: [silent, library] });
    expect(lede).toMatch(/^The sensors without a zone have not reported for 13 min\| and are not counted\./);
    const never = { ...silent, seen: null, silent_s: null };
    expect(answer({ ...overview, zones: [never, library] }).lede).toMatch(
      /^The sensors without a zone have never reported\|/,
    );
    const counted = { ...overview, zones: [{ ...stray, n: 3 }, library] };
    expect(answer(counted, ['rv-x']).headline).toBe('3 people at sensors without a zone');
  });

  test('never says that nobody is there when nobody measures', () => {
    const { headline, lede } = answer(overviewAt(NOW, 'blind'));
    expect(headline).toMatch(/^Last count \d+ people, at 11:06$/);
    expect(lede).toBe('No sensor is reporting now.');
  });

  test('before the first event says how to begin', () => {
    const overview = overviewAt(NOW, 'empty');
    expect(isEmpty(overview)).toBe(true);
    expect(answer(overview).headline).toBe('No sensor has reported yet');
    expect(isEmpty(overviewAt())).toBe(false);
  });

  test('of a filter names the zone, or how many', () => {
    const overview = overviewAt();
    const lib = overview.zones.find((zone) => zone.id === 'lib');
    expect(answer(overview, ['lib-1']).headline).toBe(`${lib?.n} people in Library`);
    expect(answer(overview, ['lib-1', 'eng-1']).headline).toMatch(/ people in 2 zones$/);
  });

  test('of some types says so', () => {
    expect(answer(overviewAt(), undefined, ['student', 'staff']).lede).toMatch(
      /^Counting student and staff only\./,
    );
  });

  test('compares with what is usual only if the server knows it', () => {
    const overview = overviewAt();
    expect(answer({ ...overview, typical: overview.on_site / 1.04 }).lede).toMatch(
      /^About 4% busier than usual\./,
    );
    expect(answer({ ...overview, typical: overview.on_site / 0.8 }).lede).toMatch(
      /^About 20% quieter than usual\./,
    );
    expect(answer({ ...overview, typical: overview.on_site }).lede).toMatch(/^About as busy as usual\./);
    expect(answer(overview).lede).not.toContain('usual');
  });
});

describe('the filter in words', () => {
  const { zones } = overviewAt();

  test.each<[string[] | undefined, string]>([
    [undefined, 'All'],
    [['lib-1'], 'Library'],
    [['lib-1', 'ent-1', 'ent-2'], 'Main entrance, Library'],
    [['ent-1'], 'ent-1'],
    [['ent-1', 'lib-1', 'eng-1'], '3 sensors'],
  ])('where %j', (sensors, text) => expect(whereText(sensors, zones, speech)).toBe(text));

  test.each<[string[] | undefined, string]>([
    [undefined, 'All'],
    [['student'], 'student'],
    [['a', 'b', 'c'], '3 types'],
  ])('who %j', (types, text) => expect(whoText(types, speech)).toBe(text));

  test.each([
    [{}, 'Today to now'],
    [{ start: 'now-1h' }, 'Last hour'],
    [{ start: 'now-24h' }, 'Last 24 hours'],
    [{ start: 'week' }, 'This week'],
    [{ start: '2026-11-23', end: '2026-11-24' }, 'Mon 23 Nov 2026'],
    [{ start: '2026-11-24T06:00:00+00:00', end: '2026-11-24T11:20:00+00:00' }, '06:00 to 11:20'],
    [{ start: '2026-11-20T06:00:00+00:00', end: '2026-11-20T07:30:00+00:00' }, '20 Nov 06:00 to 07:30'],
    [
      { start: '2026-11-20T06:00:00+00:00', end: '2026-11-21T07:30:00+00:00' },
      '20 Nov 06:00 to 21 Nov 07:30',
    ],
  ])('when %j', (search, text) => expect(whenText(search, NOW, speech)).toBe(text));

  test('per', () => {
    expect(perText({}, speech)).toBe('1 min');
    expect(perText({ window: '5m' }, speech)).toBe('5 min, every 1 min');
  });
});

test('the search of the filter finds zones and sensors, and what belongs to none', () => {
  const sensor = (id: string, zone: string | null) => ({
    id,
    name: id,
    zone,
    kind: 'movement',
    registered: true,
    last_seen: null,
    watermark: null,
    state: 'online' as const,
    present: 0,
    silent_after_s: 60,
  });
  const zones = [{ id: 'lib', name: 'Library', capacity: 1, sensors: ['a'] }];
  const sensors = [sensor('a', 'lib'), sensor('b', 'lib'), sensor('x', null), sensor('y', 'gone')];
  const found = (words: string) =>
    groupsOf(zones, sensors, words, 'No zone').map((group) => [
      group.name,
      group.sensors.map(({ id }) => id),
    ]);
  expect(found('')).toEqual([
    ['Library', ['a', 'b']],
    ['No zone', ['x', 'y']],
  ]);
  expect(found('LIB')).toEqual([['Library', ['a', 'b']]]);
  expect(found('b')).toEqual([['Library', ['a', 'b']]]);
  expect(found('a')).toEqual([['Library', ['a', 'b']]]);
  expect(found(' x ')).toEqual([['No zone', ['x']]]);
  expect(found('zzz')).toEqual([]);
});

test('the status in words', () => {
  const { t, f } = speech;
  expect(statusText({ kind: 'live', lagMs: 1_830 }, t, f)).toBe('Live, 2 s behind');
  expect(statusText({ kind: 'live', lagMs: 3 }, t, f)).toBe('Live, 1 s behind');
  expect(statusText({ kind: 'live', lagMs: undefined }, t, f)).toBe('Live');
  expect(statusText({ kind: 'live', lagMs: null }, t, f)).toBe('Live, nothing received yet');
  expect(statusText({ kind: 'paused', at: NOW }, t, f)).toBe('Paused at 11:20:16');
  expect(statusText({ kind: 'reconnecting', showing: NOW }, t, f)).toBe('Reconnecting, showing 11:20:16');
  expect(statusText({ kind: 'polling' }, t, f)).toBe('Polling every 10 s');
  expect(statusText({ kind: 'offline', since: NOW }, t, f)).toBe('Offline since 11:20');
});
