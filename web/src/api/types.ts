/**
 * Short names for the server's types. Everything here is an alias of the generated `schema.d.ts`;
 * there is no second copy of a server type in this project.
 */
import type { components } from './schema';

type Schemas = components['schemas'];

export type Site = Schemas['Site'];
export type Sensor = Schemas['Sensor'];
export type TravelerType = Schemas['TravelerType'];
export type Zone = Schemas['Zone'];
export type Overview = Schemas['Overview'];
export type OverviewZone = Schemas['OverviewZone'];
export type SilentSensor = Schemas['SilentSensor'];
export type Series = Schemas['Series'];
export type SeriesItem = Schemas['SeriesItem'];
export type StreamCursor = Schemas['StreamCursor'];
export type SeriesDelta = Schemas['SeriesDelta'];
export type OverviewState = Schemas['OverviewState'];
export type ServerMessage = Schemas['ServerMessage'];
export type ClientMessage = Schemas['ClientMessage'];
export type Topic = Schemas['Topic'];
export type Problem = Schemas['Problem'];

/** The metrics that the Today page draws. */
export type Metric = 'entries' | 'speed_avg' | 'speed_min' | 'speed_max';
