/**
 * What a reader prefers on this machine: colours, language, single-key shortcuts. Not part of any view,
 * so not in the URL; a browser that keeps nothing simply forgets.
 */
import { useSyncExternalStore } from 'react';
import { isLanguage, type Language } from './i18n/languages';
import type { Theme } from './theme';

export interface Prefs {
  theme: Theme;
  language: Language | null;
  shortcuts: boolean;
}

const STORE = 'footfall';
const listeners = new Set<() => void>();
let prefs = read();

export function getPrefs(): Prefs {
  return prefs;
}

export function setPrefs(change: Partial<Prefs>): void {
  prefs = { ...prefs, ...change };
  try {
    localStorage.setItem(STORE, JSON.stringify(prefs));
  } catch {
    // private windows and full disks: the choice holds until the page is closed
  }
  for (const listener of listeners) listener();
}

export function usePrefs(): Prefs {
  return useSyncExternalStore(subscribe, getPrefs);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function read(): Prefs {
  const fresh: Prefs = { theme: 'system', language: null, shortcuts: true };
  try {
    const kept: Partial<Record<keyof Prefs, unknown>> = JSON.parse(localStorage.getItem(STORE) ?? '{}');
    return {
      theme: kept.theme === 'light' || kept.theme === 'dark' ? kept.theme : fresh.theme,
      language: isLanguage(kept.language) ? kept.language : fresh.language,
      shortcuts: kept.shortcuts !== false,
    };
  } catch {
    return fresh;
  }
}
