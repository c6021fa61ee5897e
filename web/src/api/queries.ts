/**
 * The questions the dashboard asks, as query options. While the socket is live its deltas keep these
 * answers fresh, so nothing refetches by itself; `live/` decides when to ask again.
 */
import { keepPreviousData, QueryClient, queryOptions } from '@tanstack/react-query';
import { parseDuration } from '../time/range';
import { client, unwrap } from './client';
import { ApiError } from './problem';
import type { paths } from './schema';
import type { Overview, Series } from './types';

export const TODAY_METRICS = 'entries,speed_avg,speed_min,speed_max';

/** Lists of devices are read once and then only when somebody opens a filter: 60 s old is fresh enough. */
const LIST_FRESH_MS = 60_000;
const LIST_LIMIT = 500;
const LIST_PAGES_MAX = 20;
const ATTEMPTS_MAX = 3;
const RETRY_EMPTY_MS = 10_000;

function isRetryable(error: unknown): boolean {
  return error instanceof ApiError && error.retryable;
}

export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: Number.POSITIVE_INFINITY,
        refetchOnWindowFocus: false,
        refetchOnReconnect: false,
        // asks even when the browser believes it is offline: a wrong answer to that blanks kiosks
        networkMode: 'always',
        // a screen on a wall, loaded while the server was away, comes up by itself
        refetchInterval: ({ state }) =>
          state.status === 'error' && state.data === undefined && isRetryable(state.error)
            ? RETRY_EMPTY_MS
            : false,
        retry: (failures, error) => failures + 1 < ATTEMPTS_MAX && isRetryable(error),
        retryDelay: (failures) => Math.min(500 * 2 ** failures, 5_000),
      },
    },
  });
}

export const siteQuery = queryOptions({
  queryKey: ['site'],
  queryFn: ({ signal }) => unwrap(client.GET('/api/v1/site', { signal })),
});

export const sensorsQuery = queryOptions({
  queryKey: ['sensors'],
  staleTime: LIST_FRESH_MS,
  queryFn: ({ signal }) =>
    everyPage((cursor) =>
      unwrap(client.GET('/api/v1/sensors', { signal, params: { query: { limit: LIST_LIMIT, cursor } } })),
    ),
});

export const zonesQuery = queryOptions({
  queryKey: ['zones'],
  staleTime: LIST_FRESH_MS,
  queryFn: ({ signal }) =>
    everyPage((cursor) =>
      unwrap(client.GET('/api/v1/zones', { signal, params: { query: { limit: LIST_LIMIT, cursor } } })),
    ),
});

export const typesQuery = queryOptions({
  queryKey: ['traveler-types'],
  staleTime: LIST_FRESH_MS,
  queryFn: ({ signal }) =>
    everyPage((cursor) =>
      unwrap(
        client.GET('/api/v1/traveler-types', { signal, params: { query: { limit: LIST_LIMIT, cursor } } }),
      ),
    ),
});

/** What the overview and its stream topic are asked with; undefined means all. */
export interface OverviewParams {
  sensor?: string;
  type?: string;
}

export function overviewQuery(params: OverviewParams) {
  return queryOptions({
    queryKey: ['overview', params],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }): Promise<Overview> =>
      unwrap(client.GET('/api/v1/overview', { signal, params: { query: params } })),
  });
}

/** The same names and strings for REST and the stream, so one filter means one thing. */
export interface SeriesParams {
  metric: string;
  sensor?: string;
  type?: string;
  start: string;
  end: string;
  window: string;
  step: string;
  mode: 'rolling' | 'bucket';
  fill?: 'auto' | 'zero' | 'none';
}

/** `edge` changes when the left edge of a relative range has moved on: midnight, or a sliding hour. */
export function seriesQuery(params: SeriesParams, edge: string) {
  return queryOptions({
    queryKey: ['series', params, edge],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }): Promise<Series> => seriesOrCoarser(params, signal),
  });
}

type SeriesQuery = NonNullable<paths['/api/v1/series']['get']['parameters']['query']>;

/** Too many points for one answer: the server names a step that fits, and that is asked instead. */
async function seriesOrCoarser(params: SeriesParams, signal: AbortSignal): Promise<Series> {
  const ask = async (query: SeriesParams): Promise<Series> => {
    const answer = await unwrap(
      client.GET('/api/v1/series', { signal, params: { query: query as SeriesQuery } }),
    );
    // The same address answers a spreadsheet with text; nobody here asks for that.
    if (typeof answer === 'string') throw new TypeError('expected JSON from /api/v1/series, received text');
    return answer;
  };
  try {
    return await ask(params);
  } catch (error) {
    const step = error instanceof ApiError ? error.suggestedStep : null;
    if (step === null) throw error;
    const wider = (parseDuration(params.window) ?? 0) > (parseDuration(step) ?? 0) ? params.window : step;
    return ask({ ...params, step, window: wider });
  }
}

interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

async function everyPage<T>(ask: (cursor: string | undefined) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < LIST_PAGES_MAX; page += 1) {
    const answer = await ask(cursor);
    items.push(...answer.items);
    cursor = answer.next_cursor ?? undefined;
    if (cursor === undefined) break;
  }
  return items;
}
