/** Typed events: a map from an event's name to what its listeners are given. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(payload: never) => void>>();

  /** Calls `listener` on every `event` from now on. Returns the function that stops it. */
  on<Name extends keyof Events>(event: Name, listener: (payload: Events[Name]) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  emit<Name extends keyof Events>(event: Name, payload: Events[Name]): void {
    // A copy: a listener may remove itself, or others, while it is told.
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      (listener as (payload: Events[Name]) => void)(payload);
    }
  }
}
