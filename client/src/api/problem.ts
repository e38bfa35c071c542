import { DecodeError, integer, nullable, object, text } from '@/wire/decode';

/**
 * A request failed. `code` is stable (RFC 9457 problem details of the server, or `unreachable` and
 * `bad_answer` of ours); `message` is made for people.
 */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfterS: number | null = null,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const problemDetails = object({
  code: nullable(text),
  title: nullable(text),
  detail: nullable(text),
  status: nullable(integer),
});

/** What the server answered instead of what was asked for. */
export async function problemOf(response: Response): Promise<ApiError> {
  const retryAfter = Number.parseInt(response.headers.get('Retry-After') ?? '', 10);
  const retryAfterS = Number.isNaN(retryAfter) ? null : retryAfter;
  try {
    const { code, title, detail } = problemDetails(await response.json(), '');
    const message = detail ?? title ?? FALLBACK;
    return new ApiError(response.status, code ?? `http_${response.status}`, message, retryAfterS);
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof DecodeError)) throw error;
    return new ApiError(response.status, `http_${response.status}`, FALLBACK, retryAfterS);
  }
}

const FALLBACK = 'Something went wrong on our side. Please try again.';
