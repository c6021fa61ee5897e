/** The languages spoken here. Apart from the sentences, so that reading the URL does not load them. */

export const LANGUAGES = ['en', 'de', 'en-XA'] as const;
export type Language = (typeof LANGUAGES)[number];

/** As each language calls itself; the pseudo-language is for those who work on the dashboard. */
export const LANGUAGE_NAMES: Record<Language, string> = { en: 'English', de: 'Deutsch', 'en-XA': 'Ƥšéúđó' };

export function isLanguage(text: unknown): text is Language {
  return LANGUAGES.some((language) => language === text);
}
