export interface components {
  schemas: {
    Site: { id: string; name: string; tz: string; locale: string; now: string; features: string[]; feeds: Record<string, boolean>; heartbeat_s: number; silent_after_s: number; lateness_s: number; idle_gap_s: number; pane_s: number; mqtt_topic: string; mqtt?: string | null; version: string };
    Sensor: { id: string; name: string; kind: string; zone: string | null; registered: boolean; last_seen: string | null; watermark: string | null; state: 'online' | 'late' | 'offline' | 'unknown'; present: number };
    TravelerType: { id: string; name: string };
    Zone: { id: string; name: string; capacity: number | null; sensors: string[] };
    OverviewZone: { id: string; name: string; n: number; capacity: number | null; share: number | null; state: 'normal' | 'busy' | 'over' | 'no_data'; seen: string | null; silent_s: number | null; sensors: string[] };
    SilentSensor: { id: string; zone: string | null; last_seen: string | null; silent_s: number | null };
    StreamCursor: { topic: string; filter?: string | null; epoch: string; offset: number };
    Overview: { as_of: string; on_site: number; counted_zones: number; typical: number | null; lag_ms: number | null; open_alerts: number; watermark: string | null; stale: boolean; zones: components['schemas']['OverviewZone'][]; silent_sensors: components['schemas']['SilentSensor'][]; stream: components['schemas']['StreamCursor'] };
    MetricValues: { unit: string; v: (number | null)[] };
    SeriesItem: { key: { sensor: string; type: string }; n: number; entries?: components['schemas']['MetricValues'] | null; exits?: components['schemas']['MetricValues'] | null; present?: components['schemas']['MetricValues'] | null; speed_avg?: components['schemas']['MetricValues'] | null; speed_min?: components['schemas']['MetricValues'] | null; speed_max?: components['schemas']['MetricValues'] | null; coverage: (number | null)[]; state: ('live' | 'provisional' | 'final' | 'revised')[] };
    Series: { metrics: string[]; start: string; end: string; step_s: number; window_s: number; mode: string; label: string; tz: string; fill: string; watermark: string | null; approx: boolean; stale: boolean; series: components['schemas']['SeriesItem'][]; stream: components['schemas']['StreamCursor'] };
    Problem: { type: string; title: string; status: number; detail?: string | null; instance?: string | null; request_id?: string | null; suggested_step?: string | null; component?: string | null; errors?: { parameter: string; code: string; detail: string }[] };
  };
}
type Get<Q, R> = { get: { parameters: { query?: Q; header?: never; path?: never; cookie?: never }; requestBody?: never; responses: { 200: { headers: { [name: string]: unknown }; content: { 'application/json': R } }; default: { headers: { [name: string]: unknown }; content: { 'application/problem+json': components['schemas']['Problem'] } } } } };
export interface paths {
  '/api/v1/site': Get<never, components['schemas']['Site']>;
  '/api/v1/sensors': Get<{ limit?: number; cursor?: string }, { items: components['schemas']['Sensor'][]; next_cursor?: string | null }>;
  '/api/v1/traveler-types': Get<{ limit?: number; cursor?: string }, { items: components['schemas']['TravelerType'][]; next_cursor?: string | null }>;
  '/api/v1/zones': Get<{ limit?: number; cursor?: string }, { items: components['schemas']['Zone'][]; next_cursor?: string | null }>;
  '/api/v1/overview': Get<{ zone?: string; type?: string; sensor?: string }, components['schemas']['Overview']>;
  '/api/v1/series': Get<{ metric?: string; sensor?: string; type?: string; start?: string; end?: string; window?: string; step?: string; mode?: string; group_by?: string; fill?: string; tz?: string }, components['schemas']['Series']>;
}
