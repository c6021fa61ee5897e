/**
 * When to knock again. Full jitter between half a second and half a minute; the count is forgiven only
 * after a connection has been stable for 30 s and has carried data, because a server that accepts and
 * drops at once must not be stormed.
 */
import { CLOSE } from './protocol';

const BASE_MS = 500;
const CAP_MS = 30_000;
const DEPLOY_SPREAD_MS = 10_000;

/** After so many failures in a row the page polls, and tries the socket only once a minute. */
export const FAILURES_BEFORE_POLLING = 3;
export const RETRY_WHILE_POLLING_MS = 60_000;
export const STABLE_MS = 30_000;

export type NextTry = { kind: 'never' } | { kind: 'after'; ms: number };

export interface Ending {
  code: number;
  reason: string;
  /** Failures in a row, this one included. */
  failures: number;
}

/** What to do after a connection has ended; `random` gives 0..1. */
export function nextTry(ending: Ending, random: () => number): NextTry {
  if (ending.code === CLOSE.unauthenticated || ending.code === CLOSE.forbiddenOrigin)
    return { kind: 'never' };
  if (ending.code === CLOSE.limited)
    return { kind: 'after', ms: retryAfterMs(ending.reason) + random() * BASE_MS };
  if (ending.failures >= FAILURES_BEFORE_POLLING) return { kind: 'after', ms: RETRY_WHILE_POLLING_MS };
  // everybody lost the same server at the same moment: come back spread out
  if (ending.code === CLOSE.deploy) return { kind: 'after', ms: random() * DEPLOY_SPREAD_MS };
  return { kind: 'after', ms: random() * Math.min(CAP_MS, BASE_MS * 2 ** ending.failures) };
}

function retryAfterMs(reason: string): number {
  try {
    const seconds = Number(JSON.parse(reason).retry_after_s);
    return Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : CAP_MS;
  } catch {
    return CAP_MS;
  }
}
