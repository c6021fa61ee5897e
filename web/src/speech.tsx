/**
 * Gives every part its sentences and its formats: the language of the reader, the zone of the site. Until
 * the site is known nothing is printed that depends on the zone.
 */
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';
import { makeSpeech, type Speech } from './format';
import { chooseLanguage, chooseLocale, loadCatalogue } from './i18n';
import type { Catalogue } from './i18n/catalogue';
import { en } from './i18n/en';
import type { Language } from './i18n/languages';

const SpeechContext = createContext<Speech>(makeSpeech(en, 'en-GB', 'UTC'));

export interface SpeechProps {
  /** Languages wished for, the strongest first. */
  wishes: readonly (string | null | undefined)[];
  siteLocale: string | null;
  tz: string;
  children: ReactNode;
}

export function SpeechProvider({ wishes, siteLocale, tz, children }: SpeechProps) {
  const language = chooseLanguage([...wishes, siteLocale]);
  const catalogue = useCatalogue(language);
  const locale = chooseLocale(language, [siteLocale, navigator.language]);
  const speech = useMemo(
    () => (catalogue === null ? null : makeSpeech(catalogue, locale, tz)),
    [catalogue, locale, tz],
  );
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  return speech === null ? null : <SpeechContext value={speech}>{children}</SpeechContext>;
}

function useCatalogue(language: Language): Catalogue | null {
  const [loaded, setLoaded] = useState<{ language: Language; catalogue: Catalogue } | null>(null);
  useEffect(() => {
    if (language === 'en') return;
    let gone = false;
    loadCatalogue(language).then(
      (catalogue) => !gone && setLoaded({ language, catalogue }),
      // better English than nothing
      () => !gone && setLoaded({ language, catalogue: en }),
    );
    return () => {
      gone = true;
    };
  }, [language]);
  if (language === 'en') return en;
  return loaded?.language === language ? loaded.catalogue : null;
}

export function useSpeech(): Speech {
  return useContext(SpeechContext);
}
