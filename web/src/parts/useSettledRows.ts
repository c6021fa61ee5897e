/**
 * Rows that hold still while somebody points at them or has the focus in them. Values inside a row stay
 * live; rows that come or go wait until the reader looks away or asks for them.
 */
import { type HTMLAttributes, useState } from 'react';

export interface SettledRows<T> {
  rows: T[];
  /** How many rows have come that are not shown yet. */
  waiting: number;
  /** Handlers for the element that holds the rows. */
  hold: Pick<HTMLAttributes<HTMLElement>, 'onPointerEnter' | 'onPointerLeave' | 'onFocus' | 'onBlur'>;
  show: () => void;
}

export function useSettledRows<T extends { id: string }>(latest: readonly T[]): SettledRows<T> {
  const [held, setHeld] = useState<readonly T[] | null>(null);
  const grab = () => setHeld((before) => before ?? latest);
  const release = () => setHeld(null);
  const hold = { onPointerEnter: grab, onPointerLeave: release, onFocus: grab, onBlur: release };
  if (held === null) return { rows: [...latest], waiting: 0, hold, show: release };
  const byId = new Map(latest.map((row) => [row.id, row]));
  const rows = held.map((row) => byId.get(row.id) ?? row);
  const waiting = latest.filter((row) => !held.some((shown) => shown.id === row.id)).length;
  return { rows, waiting, hold, show: release };
}
