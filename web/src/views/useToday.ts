/**
 * What Today asks and keeps live: one overview and one series, both from the URL's filter. A past range
 * is asked once; a range that ends now follows the stream.
 */
import { useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { overviewQuery, type SeriesParams, seriesQuery, siteQuery, TODAY_METRICS } from '../api/queries';
import type { Series } from '../api/types';
import { useFollow, useHub } from '../live/context';
import { OVERVIEW, SERIES } from '../live/feed';
import { effective, type Search } from '../search';
import { useNow } from '../time/clock';
import { leftEdge } from '../time/range';

const MINUTE_MS = 60_000;

export function useToday(search: Search) {
  const hub = useHub();
  const site = useQuery(siteQuery);
  const asked = effective(search);
  const filter = {
    ...(asked.sensor ? { sensor: asked.sensor.join(',') } : {}),
    ...(asked.type ? { type: asked.type.join(',') } : {}),
  };

  const overviewOptions = overviewQuery(filter);
  const overview = useQuery(overviewOptions);
  useFollow(OVERVIEW, overviewOptions.queryKey, filter, overview.isSuccess && !overview.isPlaceholderData);
  const lagMs = overview.data?.lag_ms;
  useEffect(() => {
    if (lagMs !== undefined) hub.setLag(lagMs);
  }, [hub, lagMs]);

  const follows = asked.end === 'now';
  const edge = leftEdge(asked.start, useNow(MINUTE_MS), site.data?.tz ?? 'UTC');
  const params: SeriesParams = {
    metric: TODAY_METRICS,
    ...filter,
    start: asked.start,
    end: asked.end,
    window: asked.window,
    step: asked.step,
    mode: 'rolling',
    ...(asked.fill ? { fill: asked.fill } : {}),
  };
  const seriesOptions = seriesQuery(params, edge);
  // the zone decides where today begins, so the site comes first; if it cannot be had, UTC must do
  const series = useQuery({ ...seriesOptions, enabled: !site.isPending });
  useFollow(
    SERIES,
    seriesOptions.queryKey,
    { ...params, ...given(series.data) },
    follows && series.isSuccess && !series.isPlaceholderData,
  );

  return { site, overview, series, asked, follows };
}

/** The step the server has settled for: what is followed must be what is shown. */
function given(series: Series | undefined): Partial<SeriesParams> {
  return series === undefined ? {} : { window: `${series.window_s}s`, step: `${series.step_s}s` };
}
