import { expect, test } from 'vitest';
import { effective, parseSearch, stringifySearch, validateSearch } from '../src/search';

const read = (text: string) => validateSearch(parseSearch(text));

test('the filter of a shared link is understood', () => {
  expect(read('?sensor=ent-1,ent-2&type=student&start=today&end=now&window=60s&step=60s')).toEqual({
    sensor: ['ent-1', 'ent-2'],
    type: ['student'],
  });
});

test('nothing in the URL means everything, today until now, by the minute', () => {
  expect(effective(read(''))).toEqual({ start: 'today', end: 'now', window: '60s', step: '60s' });
});

test('all and an empty list are the same as no list', () => {
  expect(read('?sensor=all&type=')).toEqual({});
});

test('a sensor named twice is asked once', () => {
  expect(read('?sensor=a,b,a, b')).toEqual({ sensor: ['a', 'b'] });
});

test.each([
  '?start=soon',
  '?start=2026-13-40',
  '?end=now-',
  '?window=7x',
  '?step=0s',
  '?display=tv',
  '?lang=fr',
])('what is not understood is dropped: %s', (text) => expect(read(text)).toEqual({}));

test('a pinned range survives the way through the URL', () => {
  const search = { start: '2026-06-24T06:00:00+01:00', end: '2026-06-24T11:20:16+01:00' };
  const text = stringifySearch(search);
  expect(text).toBe('?start=2026-06-24T06:00:00%2B01:00&end=2026-06-24T11:20:16%2B01:00');
  expect(read(text)).toEqual(search);
});

test('an offset typed by hand, whose plus is read as a space, still works', () => {
  expect(read('?start=2026-06-24T06:00:00+01:00')).toEqual({ start: '2026-06-24T06:00:00+01:00' });
});

test('lists stay readable and strange ids survive', () => {
  const search = { sensor: ['ent-1', 'tür&halle', '7'] };
  const text = stringifySearch(search);
  expect(text).toBe('?sensor=ent-1,t%C3%BCr%26halle,7');
  expect(read(text)).toEqual(search);
});

test('defaults and absent values leave no trace', () => {
  expect(
    stringifySearch({ ...validateSearch({ start: 'today', end: 'now', sensor: [], type: undefined }) }),
  ).toBe('');
});
