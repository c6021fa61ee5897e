import { expect, test } from 'vitest';
import { csvCell, csvName, csvOf } from '../src/csv';
import { NOW, seriesAt, smallSeries } from './support';

test('the rows are the windows of the charts, with offsets', () => {
  const lines = csvOf(smallSeries([3, null], [1, 0]), 'Europe/London').split('\r\n');
  expect(lines).toEqual([
    'window_start,window_end,sensor,type,entries,speed_avg,speed_min,speed_max,coverage,state',
    '2026-11-24T00:00:00+00:00,2026-11-24T00:01:00+00:00,all,all,3,,,,1,final',
    '2026-11-24T00:01:00+00:00,2026-11-24T00:02:00+00:00,all,all,,,,,0,final',
    '',
  ]);
});

test('there are as many rows as points', () => {
  const series = seriesAt();
  expect(csvOf(series, 'Europe/London').trimEnd().split('\r\n')).toHaveLength((series.series[0]?.n ?? 0) + 1);
});

test.each([
  ['=1+1', "'=1+1"],
  ['+ent', "'+ent"],
  ['-ent', "'-ent"],
  ['@ent', "'@ent"],
  ['a,b', '"a,b"'],
  ['say "hi"', '"say ""hi"""'],
  ['=a,"b"', '"\'=a,""b"""'],
  ['ent-1', 'ent-1'],
  [-3, '-3'],
  [null, ''],
])('the cell %j', (value, text) => expect(csvCell(value)).toBe(text));

test('the name of the file says what is inside', () => {
  const search = { sensor: ['ent-1', 'ent/2'], type: ['student'] };
  expect(csvName({ site: 'main', search, tz: 'Europe/London' }, NOW)).toBe(
    'footfall_main_2026-11-24T0000_to_2026-11-24T1120_60s-per-60s_ent-1+ent-2_student.csv',
  );
});
