import type { ClientMessage } from '@/signaling/messages';

type Listener = (event: never) => void;

/** A WebSocket that a test opens, feeds and closes by hand. */
export class FakeSocket {
  readyState: number = WebSocket.CONNECTING;
  readonly sent: ClientMessage[] = [];
  closedByClient = false;
  readonly #listeners = new Map<string, Set<Listener>>();

  constructor(readonly url: string) {}

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, (this.#listeners.get(type) ?? new Set()).add(listener));
  }

  send(frame: string): void {
    this.sent.push(JSON.parse(frame));
  }

  close(): void {
    this.closedByClient = true;
    this.readyState = WebSocket.CLOSED;
  }

  // What the server and the network do

  open(): void {
    this.readyState = WebSocket.OPEN;
    this.#dispatch('open', {});
  }

  refuse(): void {
    this.readyState = WebSocket.CLOSED;
    this.#dispatch('error', {});
    this.#dispatch('close', { code: 1006 });
  }

  receive(message: { type: string; [field: string]: unknown }): void {
    this.receiveFrame(JSON.stringify(message));
  }

  receiveFrame(data: unknown): void {
    this.#dispatch('message', { data });
  }

  lose(code = 1006): void {
    this.readyState = WebSocket.CLOSED;
    this.#dispatch('close', { code });
  }

  sentOf<T extends ClientMessage['type']>(type: T): Extract<ClientMessage, { type: T }>[] {
    return this.sent.filter(
      (message): message is Extract<ClientMessage, { type: T }> => message.type === type,
    );
  }

  #dispatch(type: string, event: object): void {
    for (const listener of this.#listeners.get(type) ?? []) (listener as (event: object) => void)(event);
  }
}

/** Makes fake sockets and keeps them in order. */
export class FakeSockets {
  readonly all: FakeSocket[] = [];

  readonly create = (url: string): WebSocket => {
    const socket = new FakeSocket(url);
    this.all.push(socket);
    return socket as unknown as WebSocket;
  };

  get last(): FakeSocket {
    const socket = this.all.at(-1);
    if (socket === undefined) throw new Error('no socket was opened');
    return socket;
  }
}
