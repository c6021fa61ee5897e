// Holds the build to its budget: what the first view downloads, gzip. Fails the build when it is exceeded.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const KB = 1024;
const dist = fileURLToPath(new URL('../dist', import.meta.url));
const html = readFileSync(join(dist, 'index.html'), 'utf8');
const files = readdirSync(join(dist, 'assets'));

/** @param {string} file */
const gzipped = (file) => gzipSync(readFileSync(join(dist, 'assets', file)), { level: 9 }).length;
/** @param {string[]} chosen @param {(file: string) => number} size */
const total = (chosen, size = gzipped) => chosen.reduce((sum, file) => sum + size(file), 0);

// the first view is what index.html names: the entry with its static imports, and the preloaded page; uPlot
// comes after it and has a line of its own
const first = files.filter((file) => html.includes(`assets/${file}`) && file.endsWith('.js'));
const entry = first.filter((file) => /^(index|vendor|base|rolldown-runtime)-/.test(file));
const route = first.filter((file) => !entry.includes(file));
const charts = files.filter((file) => /^plot-.*\.js$/.test(file));
const fonts = files.filter((file) => file.endsWith('.woff2'));

const budgets = [
  { name: 'JS, first view', bytes: total(first), max: 140 * KB },
  { name: '  entry', bytes: total(entry), max: 110 * KB },
  { name: '  route', bytes: total(route), max: 35 * KB },
  { name: 'JS, charts (lazy)', bytes: total(charts), max: 24 * KB },
  { name: 'JS, everything', bytes: total(files.filter((file) => file.endsWith('.js'))), max: 260 * KB },
  { name: 'CSS', bytes: total(files.filter((file) => file.endsWith('.css'))), max: 12 * KB },
  {
    name: `font (${fonts.length} file)`,
    bytes: total(fonts, (file) => readFileSync(join(dist, 'assets', file)).length),
    max: 36 * KB,
  },
];

// a missing part would pass every budget
let over = fonts.length !== 1 || charts.length !== 1 || route.length === 0;
for (const { name, bytes, max } of budgets) {
  const fits = bytes <= max;
  over ||= !fits;
  console.log(
    `${fits ? 'ok  ' : 'OVER'} ${name.padEnd(18)} ${(bytes / KB).toFixed(1).padStart(6)} KB of ${max / KB}`,
  );
}
process.exit(over ? 1 : 0);
