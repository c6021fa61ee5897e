/**
 * The page's only state: the URL. Reads and writes the search parameters; what is not understood is
 * dropped, what is the default is left out, and the text stays one a person can read and send on.
 */
import { isLanguage, type Language } from './i18n/languages';
import { isTimeWord, parseDuration } from './time/range';

export interface Search {
  /** Sensor ids; omitted means all. */
  sensor?: string[];
  /** Traveler types; omitted means all. */
  type?: string[];
  start?: string;
  end?: string;
  window?: string;
  step?: string;
  fill?: 'zero' | 'none';
  display?: 'wall';
  theme?: 'light' | 'dark';
  lang?: Language;
}

export const DEFAULTS = { start: 'today', end: 'now', window: '60s', step: '60s' } as const;

/** The search with its defaults filled in, for asking the API. */
export function effective(search: Search): Search & typeof DEFAULTS {
  return { ...DEFAULTS, ...search } as Search & typeof DEFAULTS;
}

/** What TanStack Router validates every location with. */
export function validateSearch(raw: Record<string, unknown>): Search {
  const search: Search = {};
  const sensor = list(raw.sensor);
  const type = list(raw.type);
  if (sensor.length > 0) search.sensor = sensor;
  if (type.length > 0) search.type = type;
  if (isOther(raw.start, DEFAULTS.start, isTimeWord)) search.start = raw.start;
  if (isOther(raw.end, DEFAULTS.end, isTimeWord)) search.end = raw.end;
  if (isOther(raw.window, DEFAULTS.window, isDuration)) search.window = raw.window;
  if (isOther(raw.step, DEFAULTS.step, isDuration)) search.step = raw.step;
  if (raw.fill === 'zero' || raw.fill === 'none') search.fill = raw.fill;
  if (raw.display === 'wall') search.display = 'wall';
  if (raw.theme === 'light' || raw.theme === 'dark') search.theme = raw.theme;
  if (isLanguage(raw.lang)) search.lang = raw.lang;
  return search;
}

function isDuration(text: string): boolean {
  return parseDuration(text) !== null;
}

function isOther(value: unknown, usual: string, valid: (text: string) => boolean): value is string {
  return typeof value === 'string' && value !== usual && valid(value);
}

function list(value: unknown): string[] {
  const items = Array.isArray(value) ? value.map(String) : typeof value === 'string' ? value.split(',') : [];
  const cleaned = items.map((item) => item.trim()).filter((item) => item !== '' && item !== 'all');
  return [...new Set(cleaned)];
}

/** `?sensor=ent-1,ent-2&start=…` to plain strings; types are `validateSearch`'s business. */
export function parseSearch(text: string): Record<string, string> {
  const search = Object.fromEntries(new URLSearchParams(text));
  // an offset typed by hand, `…T06:00:00+01:00`, has its plus read as a space
  for (const name of ['start', 'end']) {
    const value = search[name];
    if (value !== undefined) search[name] = value.replace(/ (\d{2}:\d{2})$/, '+$1');
  }
  return search;
}

/** Commas and colons stay readable; a `+` must be written as %2B, or it would be read back as a space. */
export function stringifySearch(search: Record<string, unknown>): string {
  const parts = Object.entries(search)
    .filter(([, value]) => value !== undefined && value !== null && value !== '')
    .map(([name, value]) => {
      const items = (Array.isArray(value) ? value : [value]).map((item) => encodeURIComponent(String(item)));
      return `${name}=${items.join(',').replace(/%3A/gi, ':')}`;
    });
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}
