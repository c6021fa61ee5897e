/** Midnights and stamps in the mock site's zone, on a Node without Temporal. */

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const DAY = 24 * 60 * MINUTE;

export class SiteTime {
  private readonly offsets: Intl.DateTimeFormat;

  constructor(readonly tz: string) {
    this.offsets = new Intl.DateTimeFormat('en-GB', { timeZone: tz, timeZoneName: 'longOffset' });
  }

  /** What the clocks of the site are ahead of UTC. */
  private offset(at: number): number {
    const name = this.offsets.formatToParts(at).find((part) => part.type === 'timeZoneName')?.value ?? 'GMT';
    const [, sign = '+', hours = '0', minutes = '0'] = /GMT([+-])(\d+):(\d+)/.exec(name) ?? [];
    return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * MINUTE;
  }

  /** Local midnight at or before an instant. */
  midnight(at: number): number {
    const offset = this.offset(at);
    return Math.floor((at + offset) / DAY) * DAY - offset;
  }

  stamp(at: number): string {
    const offset = this.offset(at);
    const minutes = Math.abs(offset) / MINUTE;
    const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
    const sign = offset < 0 ? '-' : '+';
    return `${new Date(at + offset).toISOString().slice(0, 19)}${sign}${two(minutes / 60)}:${two(minutes % 60)}`;
  }
}
