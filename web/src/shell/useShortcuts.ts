/**
 * The single-key shortcuts of every page. Off while somebody types, while a dialog is open, with any
 * modifier, and altogether when the reader has turned them off (WCAG 2.1.4).
 */
import { useNavigate } from '@tanstack/react-router';
import { type RefObject, useEffect, useRef } from 'react';
import { useHub } from '../live/context';
import { getPrefs } from '../prefs';
import { useSetUrl, useUrl } from '../router';
import { effective, type Search } from '../search';
import { useSpeech } from '../speech';
import { now } from '../time/clock';
import { resolve, shiftPeriod } from '../time/range';

/** How long the second key of `g t` may take. */
const SEQUENCE_MS = 1_500;

/** Ids of what a key opens or presses; parts give them to their buttons. */
export const FILTER_BUTTON_ID = 'filter-where';

export interface HelpHandle {
  dialog: RefObject<HTMLDialogElement | null>;
  open: () => void;
}

export function useShortcuts(): HelpHandle {
  const dialog = useRef<HTMLDialogElement>(null);
  const hub = useHub();
  const url = useUrl();
  const setUrl = useSetUrl();
  const navigate = useNavigate();
  const { f } = useSpeech();
  const sequenceAt = useRef(0);

  useEffect(() => {
    const shift = (direction: 1 | -1) => {
      const words = shiftWords(url, direction, f.tz);
      if (words) setUrl(words);
    };
    const actions: Record<string, () => void> = {
      '/': () => document.getElementById(FILTER_BUTTON_ID)?.click(),
      '.': () => setUrl({ start: undefined, end: undefined }),
      p: () => (hub.getStatus().kind === 'paused' ? hub.resume() : hub.pause()),
      '[': () => shift(-1),
      ']': () => shift(1),
      '?': () => dialog.current?.showModal(),
      g: () => {
        sequenceAt.current = Date.now();
      },
    };
    const onKeyDown = (event: KeyboardEvent) => {
      if (!getPrefs().shortcuts || isTaken(event)) return;
      if (event.key === 't' && Date.now() - sequenceAt.current < SEQUENCE_MS) {
        sequenceAt.current = 0;
        void navigate({ to: '/' });
        return;
      }
      const act = actions[event.key];
      if (act === undefined) return;
      event.preventDefault();
      act();
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, [hub, url, setUrl, navigate, f.tz]);

  return { dialog, open: () => dialog.current?.showModal() };
}

function shiftWords(url: Search, direction: 1 | -1, tz: string): Pick<Search, 'start' | 'end'> | null {
  const { start, end } = effective(url);
  const at = now();
  return shiftPeriod({ from: resolve(start, at, tz), to: resolve(end, at, tz) }, direction, at, tz);
}

/** True if a key belongs to something else: a field, a dialog, the browser. */
export function isTaken(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing)
    return true;
  if (document.querySelector('dialog[open]') !== null) return true;
  const target = event.target instanceof HTMLElement ? event.target : null;
  return target?.closest('input, select, textarea, [contenteditable], [popover]') != null;
}
