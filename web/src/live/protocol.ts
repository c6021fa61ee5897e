/**
 * The frames of `footfall.v1`: what the server says, checked as far as the client relies on it, and what
 * the client says. A frame that is not understood is ignored, so the server may learn new ones first.
 */
import type { Problem } from '../api/types';

export interface Cursor {
  epoch: string;
  offset: number;
}

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json | undefined };
export type JsonObject = { [name: string]: Json | undefined };

export type ServerFrame =
  | { t: 'welcome'; session: string; server_time: string; hb_s: number; max_subs: number; v: number }
  | { t: 'snapshot'; id: number; epoch: string; to: number; d: JsonObject }
  | { t: 'delta'; id: number; from: number; to: number; d: JsonObject }
  | { t: 'resync'; id: number; reason: string }
  | { t: 'hb'; server_time: string; lag_ms: number | null; watermark: string | null }
  | { t: 'pong'; id: number }
  | { t: 'done'; id: number }
  | { t: 'error'; id?: number | null; problem: Problem };

export type ClientFrame =
  | { t: 'sub'; id: number; topic: string; params: Record<string, string>; rate_hz: number; since: Cursor | null }
  | { t: 'unsub'; id: number }
  | { t: 'rate'; id: number; hz: number };

export const SUBPROTOCOL = 'footfall.v1';

/** Close codes of the stream and what they ask of the client. */
export const CLOSE = {
  deploy: 1001,
  unauthenticated: 4401,
  forbiddenOrigin: 4403,
  heartbeat: 4408,
  limited: 4429,
} as const;

const KINDS = new Set(['welcome', 'snapshot', 'delta', 'resync', 'hb', 'pong', 'done', 'error']);

export function parseFrame(text: unknown): ServerFrame | null {
  if (typeof text !== 'string') return null;
  try {
    const frame: unknown = JSON.parse(text);
    const known = typeof frame === 'object' && frame !== null && 't' in frame && KINDS.has(String(frame.t));
    return known ? (frame as ServerFrame) : null;
  } catch {
    return null;
  }
}
