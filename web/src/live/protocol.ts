/**
 * The frames of `footfall.v1` on the wire. Their types come from the server; a frame that is not understood
 * is ignored, so the server may learn new ones first.
 */
import type { ServerMessage } from '../api/types';

/** Where a reader of the stream stands. */
export interface Cursor {
  epoch: string;
  offset: number;
}

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json | undefined };
export type JsonObject = { [name: string]: Json | undefined };

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

export function parseFrame(text: unknown): ServerMessage | null {
  if (typeof text !== 'string') return null;
  try {
    const frame: unknown = JSON.parse(text);
    const known = typeof frame === 'object' && frame !== null && 't' in frame && KINDS.has(String(frame.t));
    return known ? (frame as ServerMessage) : null;
  } catch {
    return null;
  }
}
