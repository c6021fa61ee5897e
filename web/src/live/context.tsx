/**
 * The hub as React sees it: one for the page, a status to print, and a hook that keeps a query's answer
 * live while a view shows it.
 */
import { type QueryKey, useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect, useState, useSyncExternalStore } from 'react';
import { streamUrl } from '../api/client';
import type { TopicRules } from './feed';
import { LiveHub, type Status } from './hub';
import type { Cursor } from './protocol';
import { LiveSocket } from './socket';

const HubContext = createContext<LiveHub | null>(null);

export function LiveProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const [hub] = useState(() => new LiveHub(queries, (events) => new LiveSocket(streamUrl(), events)));
  useEffect(() => hub.start(), [hub]);
  return <HubContext value={hub}>{children}</HubContext>;
}

export function useHub(): LiveHub {
  const hub = useContext(HubContext);
  if (hub === null) throw new Error('useHub outside LiveProvider');
  return hub;
}

export function useStatus(): Status {
  const hub = useHub();
  return useSyncExternalStore(hub.subscribe, hub.getStatus);
}

/** Follows the answer under `key` by its topic while `active`; parameters that are undefined are left out. */
export function useFollow<T extends { stream: Cursor }>(
  rules: TopicRules<T>,
  key: QueryKey,
  params: object,
  active: boolean,
): void {
  const hub = useHub();
  // keys and parameters are small and made anew on every render: compare what they say
  const identity = JSON.stringify([key, params]);
  useEffect(() => {
    if (!active) return;
    const [sameKey, sameParams] = JSON.parse(identity) as [QueryKey, Record<string, string>];
    return hub.follow(rules, sameKey, sameParams);
  }, [hub, rules, identity, active]);
}
