/**
 * What went wrong, in the server's words (RFC 9457). Every failed request becomes one `ApiError`, also
 * when the network failed and there is no answer at all, so that a widget has one thing to print.
 */
import type { Problem } from './types';

export class ApiError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title);
    this.name = 'ApiError';
    this.problem = problem;
  }

  /** True where asking again can help: the server was away or busy, not where the question was wrong. */
  get retryable(): boolean {
    return this.problem.status === 0 || this.problem.status === 429 || this.problem.status >= 500;
  }

  /** The coarser step the server proposes when a range holds too many points. */
  get suggestedStep(): string | null {
    return this.problem.suggested_step ?? null;
  }
}

/** No answer: the network, or a server that is not there. Status 0 marks it. */
export function unreachable(cause: unknown): ApiError {
  const error = new ApiError({ type: 'about:blank', title: 'unreachable', status: 0 });
  error.cause = cause;
  return error;
}

/** The problem of a refused request; a body that is no problem document still gives status and id. */
export function refused(response: Response, body: unknown): ApiError {
  const requestId = response.headers.get('x-request-id');
  const base: Problem = {
    type: 'about:blank',
    title: response.statusText || String(response.status),
    status: response.status,
  };
  const given = isProblem(body) ? body : base;
  return new ApiError({ ...given, request_id: given.request_id ?? requestId });
}

function isProblem(body: unknown): body is Problem {
  return typeof body === 'object' && body !== null && 'title' in body && 'status' in body;
}
