// How the dashboard is built and served in development. `vite` proxies the API to FOOTFALL_HTTP,
// or to the mock of dev/server.mjs; the build goes to dist/, where the footfall binary picks it up.
import react from '@vitejs/plugin-react';
import type { HtmlTagDescriptor, Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const base = process.env.BASE ?? '/';
const api = process.env.FOOTFALL_HTTP ?? 'http://127.0.0.1:8790';

/** Lazy chunks that the first page cannot be drawn without; uPlot only adds the lines a moment later. */
const FIRST_VIEW = ['Shell', 'Today'];

/** The browser may fetch the first page's chunks while the entry still loads. */
function preloadFirstView(): Plugin {
  return {
    name: 'footfall:preload-first-view',
    transformIndexHtml: {
      order: 'post',
      handler(html, { bundle }) {
        const chunks = Object.values(bundle ?? {}).filter((file) => file.type === 'chunk');
        const wanted = new Set<string>();
        const want = (fileName: string) => {
          if (wanted.has(fileName)) return;
          wanted.add(fileName);
          for (const next of chunks.find((chunk) => chunk.fileName === fileName)?.imports ?? []) want(next);
        };
        for (const chunk of chunks) if (FIRST_VIEW.includes(chunk.name)) want(chunk.fileName);
        const tags: HtmlTagDescriptor[] = [...wanted]
          .filter((fileName) => !html.includes(fileName))
          .map((fileName) => ({
            tag: 'link',
            attrs: { rel: 'modulepreload', href: `${base}${fileName}`, crossorigin: true },
            injectTo: 'head',
          }));
        return { html, tags };
      },
    },
  };
}

export default defineConfig({
  base,
  plugins: [react(), preloadFirstView()],
  server: { host: '127.0.0.1', proxy: { '/api': { target: api, ws: true } } },
  preview: { host: '127.0.0.1', proxy: { '/api': { target: api, ws: true } } },
  build: {
    target: ['chrome125', 'firefox125', 'safari18'],
    cssTarget: ['chrome125', 'firefox125', 'safari18'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        // libraries change seldom and stay cached; what several pages share is one file, not a dozen
        codeSplitting: {
          groups: [
            { name: 'vendor', test: /node_modules\/(?!uplot|temporal)/, priority: 3 },
            // what runs before any page: addresses, questions to the API, the URL
            { name: 'base', test: /\/src\/(api\/|router|search|time\/range|i18n\/languages)/, priority: 2 },
            { name: 'app', test: /\/src\//, minShareCount: 2, priority: 1 },
          ],
        },
      },
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['test/**/*.test.{ts,tsx}'],
    setupFiles: ['test/setup.ts'],
    restoreMocks: true,
  },
});
