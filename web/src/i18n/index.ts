/**
 * Which language is spoken: what the URL asks for, else what the reader chose, else the browser, else the
 * site. English is in the first download; the others come when they are wanted.
 */

import type { Catalogue } from './catalogue';
import { pseudo } from './catalogue';
import { en } from './en';
import { LANGUAGES, type Language } from './languages';

/** The first of the wishes that is spoken here; `de-CH` is served by `de`. */
export function chooseLanguage(wishes: readonly (string | null | undefined)[]): Language {
  for (const wish of wishes) {
    const exact = LANGUAGES.find((language) => language === wish);
    if (exact) return exact;
    const base = LANGUAGES.find((language) => language === wish?.split('-')[0]);
    if (base) return base;
  }
  return 'en';
}

/** The locale numbers and dates are printed in: the site's or the browser's, if it speaks the language. */
export function chooseLocale(language: Language, candidates: readonly (string | null | undefined)[]): string {
  const base = language.slice(0, 2);
  const fitting = candidates.find((candidate) => candidate?.split('-')[0] === base);
  return fitting ?? (base === 'en' ? 'en-GB' : base);
}

export async function loadCatalogue(language: Language): Promise<Catalogue> {
  if (language === 'de') return (await import('./de')).de;
  return language === 'en-XA' ? pseudo(en) : en;
}
