import { vi } from 'vitest';

type Report = (entries: object[]) => void;

/** IntersectionObserver and ResizeObserver, which say only what a test tells them to. */
export class FakeObservers {
  readonly #watched = new Map<Element, { intersect?: Report; resize?: Report }>();

  constructor() {
    vi.stubGlobal('IntersectionObserver', this.#observer('intersect'));
    vi.stubGlobal('ResizeObserver', this.#observer('resize'));
  }

  get watched(): Element[] {
    return [...this.#watched.keys()];
  }

  /** The element is laid out and, unless said otherwise, on the screen. */
  shows(target: Element, width: number, height: number, isIntersecting = true): void {
    this.#watched.get(target)?.resize?.([{ target, contentRect: { width, height } }]);
    this.#watched.get(target)?.intersect?.([{ target, isIntersecting }]);
  }

  #observer(kind: 'intersect' | 'resize') {
    const watched = this.#watched;
    return class {
      constructor(readonly report: Report) {}
      observe(element: Element): void {
        watched.set(element, { ...watched.get(element), [kind]: this.report });
      }
      unobserve(element: Element): void {
        watched.delete(element);
      }
    };
  }
}
