/** Where the dashboard begins: time, colours, data, routes. */
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { makeQueryClient, overviewQuery, siteQuery } from './api/queries';
import { makeRouter } from './router';
import './styles/index.css';

async function start(): Promise<void> {
  // native in current browsers; 18 KB for the others
  if (!('Temporal' in globalThis)) await import('temporal-polyfill/global');
  const root = document.getElementById('root');
  if (root === null) throw new Error('index.html has no #root');

  const queries = makeQueryClient();
  // asked before anything is drawn: every page needs the first, Today nearly always the second
  void queries.prefetchQuery(siteQuery);
  if (window.location.search === '') void queries.prefetchQuery(overviewQuery({}));

  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={makeRouter()} />
      </QueryClientProvider>
    </StrictMode>,
  );
}

void start();
