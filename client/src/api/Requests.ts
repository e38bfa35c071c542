import { DecodeError, type Decoder } from '@/wire/decode';
import { ApiError, problemOf } from './problem';
import { nothing } from './schemas';

export interface RequestsOptions {
  fetch?: typeof fetch;
  /** Makes the keys that let a payment be asked for again without being made twice. */
  newKey?: () => string;
  /** Called when the session is over and cannot be refreshed. */
  onSignedOut?: () => void;
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

interface Outgoing {
  method: Method;
  path: string;
  body?: object | undefined;
  headers?: Record<string, string>;
}

/** How often a request that may be repeated safely is sent again when the network swallows it. */
const NETWORK_RETRIES = 2;
const REQUEST_TIMEOUT_MS = 15_000;
/** Tabs of one browser share the refresh token, which works once: one tab at a time may use it. */
const REFRESH_LOCK = 'curtaincall-refresh';

/** How the API is asked: answers are checked, lost requests repeated where that is safe, sessions refreshed. */
export class Requests {
  readonly #fetch: typeof fetch;
  readonly #newKey: () => string;
  readonly #onSignedOut: () => void;

  constructor(options: RequestsOptions = {}) {
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.#newKey = options.newKey ?? newIdempotencyKey;
    this.#onSignedOut = options.onSignedOut ?? (() => undefined);
  }

  get<T>(path: string, decoder: Decoder<T>): Promise<T> {
    return this.#persist(() => this.#signedIn({ method: 'GET', path }, decodedBy(decoder)));
  }

  /** A file, to be saved as it is. */
  download(path: string): Promise<Blob> {
    return this.#persist(() => this.#signedIn({ method: 'GET', path }, (response) => response.blob()));
  }

  /** A request that is sent once: whether a lost one was carried out is not known. */
  send<T>(method: Method, path: string, body: object | undefined, decoder: Decoder<T>): Promise<T> {
    return this.#signedIn({ method, path, body }, decodedBy(decoder));
  }

  /** A request that changes nothing further when it is repeated. */
  settle<T>(method: Method, path: string, body: object | undefined, decoder: Decoder<T>): Promise<T> {
    return this.#persist(() => this.send(method, path, body, decoder));
  }

  /** A POST that moves money. All its tries carry one key, so that they count once. */
  pay<T>(path: string, body: object, decoder: Decoder<T>): Promise<T> {
    const headers = { 'Idempotency-Key': this.#newKey() };
    return this.#persist(() => this.#signedIn({ method: 'POST', path, body, headers }, decodedBy(decoder)));
  }

  /** Renews the session's cookies. Throws `ApiError` 401 when there is no session any more. */
  refresh(): Promise<null> {
    return this.#refreshAlone(() => this.#refresh());
  }

  async #persist<T>(request: () => Promise<T>): Promise<T> {
    for (let retry = 0; ; retry++) {
      try {
        return await request();
      } catch (error) {
        const lost = error instanceof ApiError && error.code === 'unreachable';
        if (!lost || retry === NETWORK_RETRIES) throw error;
      }
    }
  }

  /** Sends a request; if the session has run out, refreshes it and sends the request again. */
  async #signedIn<T>(request: Outgoing, read: (response: Response) => Promise<T>): Promise<T> {
    const attempt = () => this.#once(request, read);
    try {
      return await attempt();
    } catch (error) {
      if (!isSessionOver(error) || request.path.startsWith('/api/auth/')) throw error;
    }
    return this.#refreshAlone(async () => {
      try {
        // Another tab may have refreshed while this one waited for its turn.
        return await attempt();
      } catch (error) {
        if (!isSessionOver(error)) throw error;
      }
      try {
        await this.#refresh();
      } catch (error) {
        if (isSessionOver(error)) this.#onSignedOut();
        throw error;
      }
      return attempt();
    });
  }

  #refresh(): Promise<null> {
    return this.#once({ method: 'POST', path: '/api/auth/refresh' }, decodedBy(nothing));
  }

  #refreshAlone<T>(task: () => Promise<T>): Promise<T> {
    // Browsers know locks on secure pages only; elsewhere a clash of tabs asks for a new sign-in at worst.
    const locks: LockManager | undefined = globalThis.navigator?.locks;
    return locks === undefined ? task() : locks.request(REFRESH_LOCK, task);
  }

  async #once<T>(request: Outgoing, read: (response: Response) => Promise<T>): Promise<T> {
    const { method, path, body, headers } = request;
    let response: Response;
    try {
      response = await this.#fetch(path, {
        method,
        credentials: 'same-origin',
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
        headers: { ...headers, ...(body !== undefined && { 'Content-Type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
    } catch (error) {
      throw new ApiError(0, 'unreachable', 'No connection to the server. Check your network.', null, {
        cause: error,
      });
    }
    if (!response.ok) throw await problemOf(response);
    try {
      return await read(response);
    } catch (error) {
      if (!(error instanceof DecodeError || error instanceof SyntaxError)) throw error;
      const message = 'The server gave an answer we do not understand.';
      throw new ApiError(response.status, 'bad_answer', message, null, { cause: error });
    }
  }
}

function decodedBy<T>(decoder: Decoder<T>): (response: Response) => Promise<T> {
  return async (response) => decoder(response.status === 204 ? null : await response.json(), '');
}

function isSessionOver(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401 && error.code !== 'invalid_credentials';
}

function newIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
