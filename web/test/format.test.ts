import { expect, test } from 'vitest';
import { makeFormat } from '../src/format';
import { chooseLanguage, chooseLocale } from '../src/i18n';
import { makeTranslate, pseudo } from '../src/i18n/catalogue';
import { de } from '../src/i18n/de';
import { en } from '../src/i18n/en';
import { HOUR, MINUTE, NOW, speech } from './support';

const { f, t } = speech;

test.each([
  [400, '0 s'],
  [1_600, '2 s'],
  [59_000, '59 s'],
  [14 * MINUTE + 59_000, '14 min'],
  [3 * HOUR, '3 h'],
  [3 * HOUR + 10 * MINUTE, '3 h 10 min'],
  [72 * HOUR, '3 days'],
])('a length of %d ms', (ms, text) => expect(f.duration(ms)).toBe(text));

test('times are the site’s, without seconds where they do not matter', () => {
  expect(f.time(NOW)).toBe('11:20');
  expect(f.clock(NOW)).toBe('11:20:16');
  expect(f.date(NOW)).toBe('Tue 24 Nov 2026');
  expect(makeFormat('en-GB', 'Asia/Kolkata').clock(NOW)).toBe('16:50:16');
});

test('midnight is 00:00, not 24:00, in an American locale too', () => {
  expect(makeFormat('en-US', 'Europe/London').time(Date.parse('2026-11-24T00:00:00Z'))).toBe('00:00');
});

test('another day is named', () => {
  expect(f.dayTime(NOW - 24 * HOUR, NOW)).toBe('23 Nov 11:20');
  expect(f.dayTime(NOW - HOUR, NOW)).toBe('10:20');
});

test('numbers follow the locale', () => {
  expect(f.count(1_204)).toBe('1,204');
  expect(makeFormat('de-DE', 'Europe/Berlin').speed(1.34)).toBe('1,34');
  expect(f.percent(0.862)).toBe('86%');
});

test('a sentence chooses its plural and prints its number', () => {
  expect(t('onSite', { n: 1 })).toBe('1 person on site');
  expect(t('onSite', { n: 1_204 })).toBe('1,204 people on site');
  expect(makeTranslate(de, 'de-DE')('onSite', { n: 1_204 })).toBe('1.204 Personen vor Ort');
});

test('every language has the placeholders of the English sentence', () => {
  const names = (message: unknown) =>
    [...JSON.stringify(message).matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
  for (const [key, message] of Object.entries(en)) {
    expect([key, names(de[key as keyof typeof en])]).toEqual([key, names(message)]);
  }
});

test('the pseudo-language keeps placeholders and stretches the text', () => {
  const strange = pseudo(en);
  expect(strange.asOf).toBe('ás óf {time}~~~~');
  expect(makeTranslate(strange, 'en')('onSite', { n: 2 })).toContain('2 péóplé');
});

test('the first language wished for that is spoken here is spoken', () => {
  expect(chooseLanguage([undefined, null, 'fr', 'de-CH', 'en'])).toBe('de');
  expect(chooseLanguage(['fr'])).toBe('en');
  expect(chooseLanguage(['en-XA'])).toBe('en-XA');
});

test('numbers are printed as the site does, if it speaks the language', () => {
  expect(chooseLocale('en', ['en-GB', 'en-US'])).toBe('en-GB');
  expect(chooseLocale('de', ['en-GB', 'de-AT'])).toBe('de-AT');
  expect(chooseLocale('de', ['en-GB'])).toBe('de');
});

test('every sentence of the catalogue is said somewhere', () => {
  const sources = Object.values(
    import.meta.glob<string>('../src/**/*.{ts,tsx}', { query: '?raw', import: 'default', eager: true }),
  ).join('\n');
  const unused = Object.keys(en).filter((key) => !sources.includes(`'${key}'`));
  expect(unused).toEqual([]);
});
