/** The mock's campus: its zones and people, and how busy it is at each minute of a day. */

export interface Place {
  id: string;
  name: string;
  capacity: number | null;
  /** How full it is at its fullest. */
  share: number;
  sensors: string[];
}

export const ZONES: Place[] = [
  { id: 'entrance', name: 'Main entrance', capacity: 300, share: 0.68, sensors: ['ent-1', 'ent-2'] },
  { id: 'lib', name: 'Library', capacity: 450, share: 0.83, sensors: ['lib-1'] },
  { id: 'cafe', name: 'Atrium café', capacity: 90, share: 1.02, sensors: ['cafe-1'] },
  { id: 'eng', name: 'Engineering', capacity: 400, share: 0.34, sensors: ['eng-1'] },
  { id: 'sports', name: 'Sports hall', capacity: 240, share: 0.13, sensors: ['sh-02'] },
];
export const TYPES = [
  { id: 'student', share: 0.64 },
  { id: 'staff', share: 0.24 },
  { id: 'visitor', share: 0.12 },
];
export const SENSOR_SHARE: Record<string, number> = {
  'ent-1': 0.31,
  'ent-2': 0.2,
  'lib-1': 0.22,
  'cafe-1': 0.12,
  'eng-1': 0.1,
  'sh-02': 0.05,
};

/** A number in 0..1 that depends on nothing but its arguments. */
export function noise(a: number, b = 0): number {
  let x = (Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35)) >>> 0;
  x ^= x >>> 15;
  x = Math.imul(x, 0x2c1b3c6d) >>> 0;
  x ^= x >>> 12;
  return (Math.imul(x, 0x297a2d39) >>> 0) / 2 ** 32;
}

function bump(x: number, centre: number, width: number, height: number): number {
  return height * Math.exp(-(((x - centre) / width) ** 2));
}

/** Entries a minute over the whole campus at a minute of the local day. */
export function rateAt(minute: number): number {
  if (minute < 375) return 0;
  const base =
    minute > 1_320 ? 0 : Math.min(12, Math.max(0, (minute - 375) / 14)) * (minute > 1_080 ? 0.35 : 1);
  return (
    base +
    bump(minute, 535, 22, 27) +
    bump(minute, 597, 12, 14) +
    bump(minute, 659, 11, 17) +
    bump(minute, 720, 20, 24) +
    bump(minute, 783, 14, 15) +
    bump(minute, 843, 12, 13) +
    bump(minute, 905, 14, 11)
  );
}
