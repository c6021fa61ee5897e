import { describe, expect, test } from 'vitest';
import { frameOf } from '../src/views/frame';
import { entriesPicture, speedPicture } from '../src/views/pictures';
import { frameAt, HOUR, NOW, seriesAt, smallSeries, speech } from './support';

const entries = (frame = frameAt()) => entriesPicture(frame, speech);
const speed = (frame = frameAt()) => speedPicture(frame, speech);
const frameOfSmall = (values: (number | null)[], coverage: number[], follows = false) => {
  const frame = frameOf(smallSeries(values, coverage), { follows, trims: false }, speech);
  if (frame === null) throw new Error('a series');
  return frame;
};

describe('the caption', () => {
  test('of entries says sum, peak, change and what is missing', () => {
    expect(entries().caption).toMatch(
      /^[\d,]+ entries since midnight, none before 06:\d\d\. Peak \d+ a minute at 08:\d\d\. The last hour had .+ the hour before\. 15 min have no data\.$/,
    );
  });

  test('of speed says when it was slowest, what it was, and why the line is missing', () => {
    expect(speed().caption).toMatch(
      /^Slowest average 1\.\d\d m\/s at \d\d:\d\d\. An hour ago 1\.\d\d m\/s\./,
    );
  });

  test('does not count time before the first sensor as missing', () => {
    const none = Array(100).fill(null);
    const series = smallSeries([...none, 4, null, 4], [...Array(100).fill(0), 1, 0, 1]);
    const frame = frameOf(series, { follows: true, trims: true }, speech);
    expect(frame && entries(frame).caption).toBe(
      '8 entries since midnight. Peak 4 a minute at 01:41. Nothing was measured before 01:40. 1 min have no data.',
    );
  });

  test('says what its sum is of', () => {
    expect(entries(frameOfSmall([5], [1], true)).caption).toMatch(/^5 entries since midnight\./);
    expect(entries(frameOfSmall([5], [1], false)).caption).toMatch(/^5 entries in this range\./);
  });

  test('says plainly that nothing was measured', () => {
    expect(entries(frameOfSmall([null, null], [0, 0])).caption).toBe('Nothing was measured in this range.');
  });

  test('gives no sum over windows that overlap', () => {
    expect(entries(frameAt(NOW, 'day', { window: '5m', step: '60s' })).caption).not.toContain(
      'entries since',
    );
  });
});

describe('zero, no data and nobody', () => {
  test('a day of measured zeros says that sensors reported', () => {
    const picture = entries(frameOfSmall([0, 0, 0], [1, 1, 1]));
    expect(picture.remark).toBe('Sensors reported, nobody passed');
    expect(picture.gaps).toEqual([]);
  });

  test('a day without sensors is one hatch and says so', () => {
    const picture = entries(frameOfSmall([null, null, null], [0, 0, 0]));
    expect(picture.remark).toBe('no sensor was reporting');
    expect(picture.gaps).toHaveLength(1);
  });

  test('no walkers is no line, no hatch and no zero', () => {
    const picture = speed(frameOfSmall([0, 0], [1, 1]));
    expect(picture.remark).toBe('Sensors reported, nobody walked past');
    expect(picture.lines[0]?.values).toEqual([null, null]);
    expect(picture.gaps).toEqual([]);
  });

  test('a gap has words', () => {
    expect(entries().gaps.map((gap) => gap.label)).toEqual(['no data 07:10 to 07:25']);
    expect(entries(frameOfSmall([1, null, null], [1, 0, 0])).gaps[0]?.label).toBe('no data since 00:01');
  });
});

describe('a reading', () => {
  const at = (time: string, frame = frameAt()) =>
    frame.windows.ends.findIndex((end) => speech.f.time(end) === time);

  test('says time and count, and how far to trust it', () => {
    const [line] = entries().lines;
    expect(line?.read(at('08:57'))).toMatch(/^08:57, \d+ entries$/);
    expect(line?.read(at('07:20'))).toBe('07:20, no data');
    expect(line?.read(at('11:03'))).toMatch(/^11:03, \d+ entries, still arriving$/);
    expect(line?.read(at('11:18'))).toMatch(/^11:18, \d+ entries, 83% measured, still arriving$/);
    expect(line?.read(frameAt().windows.open ?? 0)).toMatch(/^11:20, \d+ (entry|entries) so far$/);
  });

  test('of speed names the line', () => {
    const [average, slowest, fastest] = speed().lines;
    expect(average?.read(at('09:00'))).toMatch(/^09:00, 1\.\d\d m\/s average$/);
    expect(slowest?.read(at('09:00'))).toMatch(/slowest$/);
    expect(fastest?.read(at('09:00'))).toMatch(/fastest$/);
    expect(average?.read(at('03:00'))).toBe('03:00, nobody walked past');
  });
});

test('one badge that jumped does not press everybody else flat, and is named', () => {
  const series = seriesAt();
  const item = structuredClone(series.series[0]);
  item?.speed_max?.v.splice(600, 1, 50);
  const frame = frameOf(
    { ...series, series: [item] } as typeof series,
    { follows: true, trims: true },
    speech,
  );
  const picture = frame && speedPicture(frame, speech);
  expect(picture?.axis.top).toBeLessThan(10);
  expect(picture?.caption).toContain('The fastest, 50.00 m/s at 10:01, is beyond the axis.');
  expect(picture?.lines[2]?.read(600)).toBe('10:01, 50.00 m/s fastest');
  expect(speed().caption).not.toContain('beyond');
});

test('the title says what a point counts', () => {
  expect(entries().title).toBe('Entering per minute');
  expect(entries(frameAt(NOW, 'day', { window: '5m', step: '5m' })).title).toBe('Entering per 5 min');
  expect(entries(frameAt(NOW, 'day', { window: '5m', step: '60s' })).title).toBe(
    'Entering in 5 min, every 1 min',
  );
});

test('the present has its value, the open window its count so far', () => {
  const { marks } = entries();
  expect(marks.map((mark) => mark.text)).toEqual([
    expect.stringMatching(/^\d+ now$/),
    expect.stringMatching(/^\d+ so far$/),
    expect.stringMatching(/^\d+ at 08:\d\d$/),
  ]);
});

test('a finished range has no now, no open window and no bracket', () => {
  const picture = entries(frameAt(NOW, 'day', { start: '2026-11-23', end: '2026-11-24' }));
  expect(picture.present).toBeNull();
  expect(picture.tail).toBeNull();
  expect(picture.marks.map((mark) => mark.key)).toEqual(['peak']);
  expect(speed(frameAt(NOW, 'day', { start: '2026-11-23', end: '2026-11-24' })).marks[0]?.text).toBe(
    'average',
  );
});

test('the table says the same as the line', () => {
  const picture = entries();
  const [start, end, count, coverage, state] = picture.table;
  const peak =
    picture.lines[0]?.values.indexOf(Math.max(...picture.lines[0].values.map((value) => value ?? 0))) ?? 0;
  expect(count?.cell(peak)).toBe(String(picture.lines[0]?.values[peak]));
  expect(picture.caption).toContain(`Peak ${count?.cell(peak)} a minute at ${end?.cell(peak)}`);
  expect(start?.cell(peak)).not.toBe(end?.cell(peak));
  expect(coverage?.cell(peak)).toBe('100%');
  expect(state?.cell(peak)).toBe('final');
  const dark = picture.windows.ends.findIndex((_, i) => picture.windows.coverage[i] === 0);
  expect(count?.cell(dark)).toBe('no data');
  expect(coverage?.cell(dark)).toBe('0%');
});

test('what is usual is drawn when, and only when, the server sends it', () => {
  expect(entries().lines).toHaveLength(1);
  const series = seriesAt();
  const item = { ...series.series[0], typical: { entries: series.series[0]?.coverage.map(() => 9) } };
  const frame = frameOf(
    { ...series, series: [item] } as typeof series,
    { follows: true, trims: true },
    speech,
  );
  const picture = frame && entriesPicture(frame, speech);
  expect(picture?.lines.map((line) => line.key)).toEqual(['entries', 'typical']);
  expect(picture?.lines[0]?.read(600)).toContain(', usual 9');
});

test('days are named on an axis of several days', () => {
  const week = frameOf(
    seriesAt(NOW, 'day', { start: 'week', window: '1h', step: '1h' }),
    { follows: true, trims: false },
    speech,
  );
  const labels = week?.base.ticks.map((tick) => tick.label);
  expect(labels).toContain('Tue 24');
  expect(week?.stretch.domain.from).toBe(Date.parse('2026-11-23T00:00:00Z'));
  expect(NOW - (week?.stretch.domain.from ?? 0)).toBeGreaterThan(24 * HOUR);
});
