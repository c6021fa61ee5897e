/**
 * The one way to the API: a typed client over `fetch`, and the addresses. The base is the page's own
 * origin, or what `<meta name="footfall-api">` says when another server serves the files.
 */
import createClient from 'openapi-fetch';
import { refused, unreachable } from './problem';
import type { paths } from './schema';

function apiBase(): string {
  const meta = document.querySelector<HTMLMetaElement>('meta[name="footfall-api"]')?.content.trim();
  return (meta || window.location.origin).replace(/\/+$/, '');
}

export const client = createClient<paths>({
  baseUrl: apiBase(),
  // looked up per call, so that a test may replace it
  fetch: (request) => globalThis.fetch(request),
});

/** `ws:` or `wss:` address of the stream, beside the REST API. */
export function streamUrl(): string {
  return `${apiBase().replace(/^http/, 'ws')}/api/v1/stream`;
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a good answer; anything else is thrown as an `ApiError`. */
export async function unwrap<T>(request: Promise<Answer<T>>): Promise<T> {
  const answer = await request.catch((cause: unknown) => {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw unreachable(cause);
  });
  if (answer.data === undefined) throw refused(answer.response, answer.error);
  return answer.data;
}
