/** What the mock has been told and how it behaves: the state behind every answer. */

/** A position that was published, as far as the mock cares. */
export interface Publish {
  sensor: string;
  traveler: string;
  type: string;
  at: number;
  received: number;
}

export type Scenario =
  | 'day'
  /** nothing has ever been seen */
  | 'empty'
  /** every sensor is silent */
  | 'blind'
  /** every sensor reports */
  | 'calm';

export const IDLE_GAP = 30_000;
export const LATENESS = 20 * 60_000;
export const EPOCH = 'mock-1';
export const POINTS_MAX = 11_000;
