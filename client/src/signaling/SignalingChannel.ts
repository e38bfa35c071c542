import { Emitter } from '@/events/Emitter';
import { type ClientMessage, parseServerMessage, type ServerMessage } from './messages';

export type SocketFactory = (url: string) => WebSocket;

/** Close codes after which trying again would give the same answer (docs: signaling). */
const FINAL_CLOSE_CODES: ReadonlySet<number> = new Set([4400, 4401, 4402, 4403, 4409, 4410]);

/**
 * The signaling connection was refused or lost. `code` is the server's (`room_ended`, `payment_required`, ...)
 * or one of ours: `unreachable`, `timeout`, `closed`. `final` says that trying again is useless.
 */
export class SignalingError extends Error {
  override readonly name = 'SignalingError';

  constructor(
    readonly code: string,
    message: string,
    readonly final: boolean,
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
  }
}

interface ChannelEvents {
  message: ServerMessage;
  /** A frame that could not be read; the connection goes on. */
  malformed: unknown;
  /** Once, unless `close` was called: why it ended. */
  lost: SignalingError;
  /** Once, when `close` was called. */
  closed: SignalingError;
}

/** One WebSocket to `/api/rtc/signaling`, from its opening to its end. Reconnecting means a new channel. */
export class SignalingChannel extends Emitter<ChannelEvents> {
  readonly #socket: WebSocket;
  /** What the server said was wrong, right before it closed. */
  #refusal: { code: string; message: string; retryAfterMs: number | null } | null = null;
  #done = false;

  private constructor(socket: WebSocket) {
    super();
    this.#socket = socket;
    socket.addEventListener('message', (event) => this.#receive(event.data));
    socket.addEventListener('close', (event) => this.#lose(event.code));
  }

  /** Opens the connection. Throws `SignalingError` if it does not open within `timeoutMs`. */
  static open(url: string, createSocket: SocketFactory, timeoutMs: number): Promise<SignalingChannel> {
    return new Promise((resolve, reject) => {
      const socket = createSocket(url);
      const fail = (code: string, message: string) => {
        clearTimeout(timer);
        socket.close();
        reject(new SignalingError(code, message, false));
      };
      const timer = setTimeout(() => fail('timeout', `no connection within ${timeoutMs} ms`), timeoutMs);
      socket.addEventListener('error', () => fail('unreachable', 'the server cannot be reached'), {
        once: true,
      });
      socket.addEventListener(
        'open',
        () => {
          clearTimeout(timer);
          resolve(new SignalingChannel(socket));
        },
        { once: true },
      );
    });
  }

  send(message: ClientMessage): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Ends the connection from our side: no `lost` follows. */
  close(): void {
    if (this.#done) return;
    this.#done = true;
    this.#socket.close();
    this.emit('closed', new SignalingError('closed', 'closed by this side', true));
  }

  /** Waits for the first message that `pick` turns into something. Throws when the channel is lost or after `timeoutMs`. */
  expect<T>(pick: (message: ServerMessage) => T | null, timeoutMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        clearTimeout(timer);
        stopMessages();
        stopLost();
        stopClosed();
        finish();
      };
      const timer = setTimeout(
        () => settle(() => reject(new SignalingError('timeout', `no answer within ${timeoutMs} ms`, false))),
        timeoutMs,
      );
      const stopMessages = this.on('message', (message) => {
        const picked = pick(message);
        if (picked !== null) settle(() => resolve(picked));
      });
      const stopLost = this.on('lost', (error) => settle(() => reject(error)));
      const stopClosed = this.on('closed', (error) => settle(() => reject(error)));
    });
  }

  #receive(frame: unknown): void {
    if (this.#done) return;
    let message: ServerMessage | null;
    try {
      message = parseServerMessage(frame);
    } catch (error) {
      this.emit('malformed', error);
      return;
    }
    if (message === null) return;
    if (message.type === 'ERROR') {
      this.#refusal = {
        code: message.code,
        message: message.message ?? message.code,
        retryAfterMs: message.retryAfterMs,
      };
    }
    this.emit('message', message);
  }

  #lose(closeCode: number): void {
    if (this.#done) return;
    this.#done = true;
    const { code, message, retryAfterMs } = this.#refusal ?? {
      code: 'closed',
      message: `the connection was closed (${closeCode})`,
      retryAfterMs: null,
    };
    this.emit('lost', new SignalingError(code, message, FINAL_CLOSE_CODES.has(closeCode), retryAfterMs));
  }
}

/** The page's own server: `wss://host/path` for `https://host`. */
export function socketUrl(path: string, base: string = location.href): string {
  const url = new URL(path, base);
  url.protocol = url.protocol === 'https:' || url.protocol === 'wss:' ? 'wss:' : 'ws:';
  return url.href;
}
