// Runs the mock, which is TypeScript, on the Node that this project asks for: Vite loads it.
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

await runnerImport(fileURLToPath(new URL('./server.ts', import.meta.url)), {
  configFile: false,
  logLevel: 'error',
});
