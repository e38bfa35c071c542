import { Emitter } from '@/events/Emitter';
import { backoffMs } from './backoff';
import { type EventsCommand, parseServerEvent, type ServerEvent } from './messages';
import type { SocketFactory } from './SignalingChannel';

interface EventsClientEvents {
  event: ServerEvent;
  /** True while the connection stands. On every `true`, what was missed meanwhile should be asked for. */
  online: boolean;
}

export interface EventsClientOptions {
  createSocket?: SocketFactory;
  /** Renews the session; called before reconnecting when the server did not know us. */
  onUnauthorized?: () => Promise<void>;
}

/** Close code of the server: not authenticated. */
const UNAUTHORIZED = 4401;
/** A connection that stood this long was a good one: the next wait starts small again. */
const STEADY_AFTER_MS = 10_000;

/**
 * Keeps a connection to `/api/events`, where a signed-in user hears of calls, wallet and presence.
 *
 * Reconnects for as long as it is started, with waits bounded by `backoffMs`; a page that comes back to the
 * foreground or to the network tries at once.
 */
export class EventsClient extends Emitter<EventsClientEvents> {
  readonly #url: string;
  readonly #createSocket: SocketFactory;
  readonly #onUnauthorized: () => Promise<void>;
  #socket: WebSocket | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #attempt = 0;
  #openedAt = 0;

  constructor(url: string, options: EventsClientOptions = {}) {
    super();
    this.#url = url;
    this.#createSocket = options.createSocket ?? ((address) => new WebSocket(address));
    this.#onUnauthorized = options.onUnauthorized ?? (() => Promise.resolve());
  }

  start(): void {
    if (this.#socket !== null || this.#retry !== null) return;
    window.addEventListener('online', this.#retryNow);
    this.#connect();
  }

  stop(): void {
    window.removeEventListener('online', this.#retryNow);
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    const socket = this.#socket;
    this.#socket = null;
    this.#attempt = 0;
    if (socket !== null) {
      socket.close();
      this.emit('online', false);
    }
  }

  send(command: EventsCommand): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(command));
  }

  #connect(): void {
    const socket = this.#createSocket(this.#url);
    this.#socket = socket;
    socket.addEventListener('open', () => {
      if (this.#socket !== socket) return;
      this.#openedAt = Date.now();
      this.emit('online', true);
    });
    socket.addEventListener('message', (message) => {
      if (this.#socket === socket) this.#receive(message.data);
    });
    socket.addEventListener('close', ({ code }) => {
      if (this.#socket !== socket) return;
      // Whether or not it could be renewed, the next connection tells.
      if (code === UNAUTHORIZED) this.#onUnauthorized().catch((): void => undefined);
      this.#reconnect();
    });
  }

  #receive(frame: unknown): void {
    let event: ServerEvent | null;
    try {
      event = parseServerEvent(frame);
    } catch {
      // A broken frame is the server's mistake; the next one may be whole.
      return;
    }
    if (event !== null) this.emit('event', event);
  }

  #reconnect(): void {
    this.#socket = null;
    if (this.#openedAt > 0 && Date.now() - this.#openedAt > STEADY_AFTER_MS) this.#attempt = 0;
    this.#openedAt = 0;
    this.emit('online', false);
    this.#retry = setTimeout(() => this.#retryNow(), backoffMs(this.#attempt));
    this.#attempt += 1;
  }

  readonly #retryNow = (): void => {
    if (this.#retry === null) return;
    clearTimeout(this.#retry);
    this.#retry = null;
    this.#connect();
  };
}
