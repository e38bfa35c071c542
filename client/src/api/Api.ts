import { DecodeError, type Decoder } from '@/wire/decode';
import { ApiError, problemOf } from './problem';
import * as schemas from './schemas';

export interface ApiOptions {
  fetch?: typeof fetch;
  /** Makes the keys that let a payment be asked for again without being made twice. */
  newKey?: () => string;
  /** Called when the session is over and cannot be refreshed. */
  onSignedOut?: () => void;
}

export interface Registration {
  email: string;
  password: string;
  displayName: string;
  role: 'fan' | 'creator';
  /** ISO date. */
  birthDate: string;
}

/** How often a request that may be repeated safely is sent again when the network swallows it. */
const NETWORK_RETRIES = 2;
const REQUEST_TIMEOUT_MS = 15_000;
/** Tabs of one browser share the refresh token, which works once: one tab at a time may use it. */
const REFRESH_LOCK = 'curtaincall-refresh';

/** The REST API. The session lives in cookies that scripts cannot read; it is refreshed when it runs out. */
export class Api {
  readonly #fetch: typeof fetch;
  readonly #newKey: () => string;
  readonly #onSignedOut: () => void;

  constructor(options: ApiOptions = {}) {
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.#newKey = options.newKey ?? newIdempotencyKey;
    this.#onSignedOut = options.onSignedOut ?? (() => undefined);
  }

  // Signing in

  me(): Promise<schemas.Me> {
    return this.#get('/api/me', schemas.me);
  }

  register(registration: Registration): Promise<null> {
    return this.#send('POST', '/api/auth/register', registration, schemas.nothing);
  }

  signIn(email: string, password: string): Promise<null> {
    return this.#send('POST', '/api/auth/login', { email, password }, schemas.nothing);
  }

  signOut(): Promise<null> {
    return this.#send('POST', '/api/auth/logout', undefined, schemas.nothing);
  }

  // Creators

  async models(): Promise<schemas.Model[]> {
    return (await this.#get('/api/models?limit=100', schemas.pageOf(schemas.model))).items;
  }

  model(modelId: string): Promise<schemas.Model> {
    return this.#get(`/api/models/${encodeURIComponent(modelId)}`, schemas.model);
  }

  setRates(rates: schemas.Rates): Promise<null> {
    return this.#send('PUT', '/api/creator/rates', rates, schemas.nothing);
  }

  earnings(): Promise<schemas.Earnings> {
    return this.#get('/api/creator/earnings', schemas.earnings);
  }

  // Calls

  requestCall(modelId: string): Promise<schemas.Call> {
    return this.#send('POST', '/api/calls', { modelId }, schemas.call);
  }

  call(callId: string): Promise<schemas.Call> {
    return this.#get(`/api/calls/${encodeURIComponent(callId)}`, schemas.call);
  }

  async calls(state: string): Promise<schemas.Call[]> {
    return (await this.#get(`/api/calls?state=${encodeURIComponent(state)}`, schemas.pageOf(schemas.call)))
      .items;
  }

  acceptCall(callId: string): Promise<schemas.Call> {
    return this.#act(callId, 'accept');
  }

  declineCall(callId: string): Promise<schemas.Call> {
    return this.#act(callId, 'decline');
  }

  endCall(callId: string): Promise<schemas.Call> {
    return this.#act(callId, 'end');
  }

  receipt(callId: string): Promise<schemas.Receipt> {
    return this.#get(`/api/calls/${encodeURIComponent(callId)}/receipt`, schemas.receipt);
  }

  async joinToken(roomId: string): Promise<string> {
    const path = `/api/rooms/${encodeURIComponent(roomId)}/join-token`;
    return (await this.#send('POST', path, { isSpectator: false }, schemas.joinToken)).token;
  }

  // Money

  wallet(): Promise<schemas.Wallet> {
    return this.#get('/api/wallet', schemas.wallet);
  }

  transactions(cursor: string | null): Promise<{ items: schemas.Transaction[]; nextCursor: string | null }> {
    const from = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    return this.#get(`/api/wallet/transactions?limit=20${from}`, schemas.pageOf(schemas.transaction));
  }

  async paymentMethods(): Promise<schemas.PaymentMethod[]> {
    return (await this.#get('/api/wallet/payment-methods', schemas.pageOf(schemas.paymentMethod))).items;
  }

  addPaymentMethod(gateway: string, token: string): Promise<schemas.PaymentMethod> {
    return this.#send('POST', '/api/wallet/payment-methods', { gateway, token }, schemas.paymentMethod);
  }

  topUp(amountMinor: number, currency: string, paymentMethodId: string): Promise<schemas.TopUp> {
    return this.#pay('/api/wallet/top-ups', { amountMinor, currency, paymentMethodId }, schemas.topUp);
  }

  /** Renews the session's cookies. Throws `ApiError` 401 when there is no session any more. */
  refresh(): Promise<null> {
    return this.#refreshAlone(() => this.#once('POST', '/api/auth/refresh', undefined, {}, schemas.nothing));
  }

  // How requests are made

  #act(callId: string, action: 'accept' | 'decline' | 'end'): Promise<schemas.Call> {
    const path = `/api/calls/${encodeURIComponent(callId)}/${action}`;
    return this.#persist(() => this.#send('POST', path, {}, schemas.call));
  }

  /** A POST that moves money. All its tries carry one key, so that they count once. */
  #pay<T>(path: string, body: object, decoder: Decoder<T>): Promise<T> {
    const headers = { 'Idempotency-Key': this.#newKey() };
    return this.#persist(() => this.#signedIn('POST', path, body, headers, decoder));
  }

  #get<T>(path: string, decoder: Decoder<T>): Promise<T> {
    return this.#persist(() => this.#signedIn('GET', path, undefined, {}, decoder));
  }

  #send<T>(method: string, path: string, body: object | undefined, decoder: Decoder<T>): Promise<T> {
    return this.#signedIn(method, path, body, {}, decoder);
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
  async #signedIn<T>(
    method: string,
    path: string,
    body: object | undefined,
    headers: Record<string, string>,
    decoder: Decoder<T>,
  ): Promise<T> {
    const attempt = () => this.#once(method, path, body, headers, decoder);
    try {
      return await attempt();
    } catch (error) {
      if (!isSessionOver(error) || path.startsWith('/api/auth/')) throw error;
    }
    return this.#refreshAlone(async () => {
      try {
        // Another tab may have refreshed while this one waited for its turn.
        return await attempt();
      } catch (error) {
        if (!isSessionOver(error)) throw error;
      }
      try {
        await this.#once('POST', '/api/auth/refresh', undefined, {}, schemas.nothing);
      } catch (error) {
        if (isSessionOver(error)) this.#onSignedOut();
        throw error;
      }
      return attempt();
    });
  }

  #refreshAlone<T>(task: () => Promise<T>): Promise<T> {
    // Browsers know locks on secure pages only; elsewhere a clash of tabs asks for a new sign-in at worst.
    const locks: LockManager | undefined = globalThis.navigator?.locks;
    return locks === undefined ? task() : locks.request(REFRESH_LOCK, task);
  }

  async #once<T>(
    method: string,
    path: string,
    body: object | undefined,
    headers: Record<string, string>,
    decoder: Decoder<T>,
  ): Promise<T> {
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
      return decoder(response.status === 204 ? null : await response.json(), '');
    } catch (error) {
      if (!(error instanceof DecodeError || error instanceof SyntaxError)) throw error;
      throw new ApiError(
        response.status,
        'bad_answer',
        'The server gave an answer we do not understand.',
        null,
        {
          cause: error,
        },
      );
    }
  }
}

function isSessionOver(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401 && error.code !== 'invalid_credentials';
}

function newIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
