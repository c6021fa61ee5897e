/**
 * One clock for the page: the server's, as far as it is known. The browser's own may be minutes wrong on
 * a kiosk, and every "14 min ago" on the page would be wrong with it.
 */
import { useSyncExternalStore } from 'react';

let offsetMs = 0;
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setTimeout> | undefined;

/** The present instant in epoch milliseconds, corrected by what the server last said. */
export function now(): number {
  return Date.now() + offsetMs;
}

/** Takes the server's time from an answer; a difference below a second is only the way it travelled. */
export function correctClock(serverTime: string): void {
  const at = Date.parse(serverTime);
  if (Number.isNaN(at)) return;
  const offset = at - Date.now();
  if (Math.abs(offset - offsetMs) >= 1_000) offsetMs = offset;
}

/** The time to the given grain in milliseconds; a component sees it change at most that often. */
export function useNow(grainMs: number): number {
  return useSyncExternalStore(subscribe, () => Math.floor(now() / grainMs) * grainMs);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (listeners.size === 1) schedule();
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) clearTimeout(timer);
  };
}

function schedule(): void {
  timer = setTimeout(
    () => {
      for (const listener of listeners) listener();
      schedule();
    },
    // on the second, a little after, so that the digits agree with the clock on the wall
    1_005 - (now() % 1_000),
  );
}
