// Writes web/src/api/schema.d.ts from api/openapi.json; with --check only compares and fails on drift.
// In a folder of its own because openapi-typescript needs the compiler API that TypeScript 7 does not ship.
import { readFileSync, writeFileSync } from 'node:fs';

const spec = new URL('../../api/openapi.json', import.meta.url);
const target = new URL('../../web/src/api/schema.d.ts', import.meta.url);

const { default: openapiTS, astToString } = await import('openapi-typescript').catch(() => {
  console.error('openapi-typescript is not installed: run `npm ci` in tools/openapi first');
  process.exit(2);
});
const types = astToString(await openapiTS(spec, { alphabetize: true }));
const text = `// Generated from api/openapi.json by \`npm run types\`. Do not edit.\n${types}`;

if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== text) {
    console.error('web/src/api/schema.d.ts differs from api/openapi.json: run `npm run types` in web/ and commit it');
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
