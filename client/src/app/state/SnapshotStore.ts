/** Something that components watch with `useSyncExternalStore`: a snapshot, replaced as a whole on every change. */
export class SnapshotStore<S extends object> {
  readonly #listeners = new Set<() => void>();
  #snapshot: S;
  #disposed = false;

  constructor(start: S) {
    this.#snapshot = start;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly snapshot = (): S => this.#snapshot;

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Nothing changes any more, and nobody is told. */
  dispose(): void {
    this.#disposed = true;
    this.#listeners.clear();
  }

  protected update(change: Partial<S>): void {
    if (this.#disposed) return;
    this.#snapshot = { ...this.#snapshot, ...change };
    for (const listener of this.#listeners) listener();
  }
}
