/**
 * The routes, in code. Search parameters are validated once, at the root, and are the only state a view
 * has, so that every link, the Back button and a bookmark mean the same thing.
 */
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  type RouterHistory,
  useNavigate,
  useSearch,
} from '@tanstack/react-router';
import { useCallback } from 'react';
import { parseSearch, type Search, stringifySearch, validateSearch } from './search';

const rootRoute = createRootRoute({
  validateSearch,
  // the shell and the page load side by side; index.html names both, see vite.config.ts
  component: lazyRouteComponent(() => import('./shell/Shell')),
  errorComponent: lazyRouteComponent(() => import('./shell/Lost'), 'PageFailed'),
  notFoundComponent: lazyRouteComponent(() => import('./shell/Lost'), 'NotFound'),
});

const todayRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/',
  component: lazyRouteComponent(() => import('./views/Today')),
});

const routeTree = rootRoute.addChildren([todayRoute]);

/** A router over the browser's history, or over the one that a test brings. */
export function makeRouter(history?: RouterHistory) {
  return createRouter({
    routeTree,
    ...(history ? { history } : {}),
    basepath: import.meta.env.BASE_URL,
    parseSearch,
    stringifySearch,
    // the page is long and its filters are at its top: changing one must not move the reader
    scrollRestoration: false,
    defaultPreload: false,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}

export function useUrl(): Search {
  return useSearch({ from: '__root__' });
}

/** Changes parameters of the URL; `undefined` removes one. A step of its own in the history, so Back undoes it. */
export function useSetUrl(): (change: Partial<Search>) => void {
  const navigate = useNavigate();
  return useCallback(
    (change) => {
      void navigate({
        to: '/',
        search: (before) => validateSearch({ ...before, ...change }),
        resetScroll: false,
      });
    },
    [navigate],
  );
}
