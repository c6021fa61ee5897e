/** What is asked: the parameters of REST and of a subscription, and how they read. */
import { DAY, MINUTE, SECOND } from './site-time';

/** Query parameters, or a subscription's `params`: the same strings. */
export type Question = Partial<
  Record<'sensor' | 'type' | 'start' | 'end' | 'window' | 'step' | 'fill' | 'metric', string>
>;

export function duration(text: string): number {
  const match = /^(\d+)([smhd])$/.exec(text);
  return match
    ? Number(match[1]) * { s: SECOND, m: MINUTE, h: 60 * MINUTE, d: DAY }[match[2] as 's' | 'm' | 'h' | 'd']
    : Number.NaN;
}

export function list(text: string | undefined): string[] | null {
  return text && text !== 'all' ? text.split(',') : null;
}
