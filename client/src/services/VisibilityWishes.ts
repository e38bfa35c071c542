/** What is wished of somebody's video: at most this many lines (0: none), and how much it matters (0 to 255). */
export interface Wish {
  userId: string;
  maxHeight: number;
  priority: number;
}

/** The heights that the server has of everybody, lowest first. */
const RUNGS = [240, 480, 720] as const;
const HIGHEST = 720;
/** A picture may be stretched so much before the next rung is worth its bits. */
const STRETCH = 1.25;
/** More pixels than this for each of the layout nobody tells apart in a moving picture. */
const MAX_PIXEL_RATIO = 2;
/** Cameras send 16:9, and tiles are filled: a tall tile needs its height, a wide one its width. */
const ASPECT = 16 / 9;

/** Layouts settle before anything is asked for. */
export const DEBOUNCE_MS = 250;
/** Rounds of wishes are so far apart, and a round has at most so many: well below what the server takes. */
export const ROUND_MS = 1_000;
export const MAX_WISHES_PER_ROUND = 12;

/** All alike: the server itself puts first whoever speaks. */
const PRIORITY = 0;

interface Tile {
  userId: string;
  visible: boolean;
  width: number;
  height: number;
}

/**
 * Asks the server for what is looked at: of each person as many lines as the largest visible tile shows, nothing of
 * whoever is out of sight, and nothing at all while the page is hidden. Sound is not touched by it.
 */
export class VisibilityWishes {
  readonly #send: (wish: Wish) => void;
  readonly #tiles = new Map<Element, Tile>();
  readonly #told = new Map<string, Wish>();
  readonly #intersections: IntersectionObserver | null;
  readonly #sizes: ResizeObserver | null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #nextRoundAt = 0;
  #paused = true;

  constructor(send: (wish: Wish) => void) {
    this.#send = send;
    // Without observers (very old browsers) nothing is asked for, and everybody comes as the server thinks best.
    this.#intersections =
      globalThis.IntersectionObserver === undefined
        ? null
        : new IntersectionObserver((entries) => {
            for (const { target, isIntersecting } of entries)
              this.#change(target, { visible: isIntersecting });
          });
    this.#sizes =
      globalThis.ResizeObserver === undefined
        ? null
        : new ResizeObserver((entries) => {
            for (const { target, contentRect } of entries) {
              this.#change(target, { width: contentRect.width, height: contentRect.height });
            }
          });
  }

  /** From now on `element` shows this person. Returns the function that ends it. */
  watch(element: Element, userId: string): () => void {
    if (this.#intersections === null || this.#sizes === null) return () => undefined;
    this.#tiles.set(element, { userId, visible: false, width: 0, height: 0 });
    if (this.#tiles.size === 1) document.addEventListener('visibilitychange', this.#plan);
    // The first reports of both come by themselves, and say how things are now.
    this.#intersections.observe(element);
    this.#sizes.observe(element);
    return () => this.#forget(element);
  }

  /** A new seat, of which the server knows no wishes yet. */
  begin(): void {
    this.#paused = false;
    this.#told.clear();
    this.#plan();
  }

  /** The seat is gone. Tiles stay watched, for a seat that may follow. */
  end(): void {
    this.#paused = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #change(element: Element, change: Partial<Tile>): void {
    const tile = this.#tiles.get(element);
    if (tile === undefined) return;
    Object.assign(tile, change);
    this.#plan();
  }

  #forget(element: Element): void {
    const tile = this.#tiles.get(element);
    this.#tiles.delete(element);
    this.#intersections?.unobserve(element);
    this.#sizes?.unobserve(element);
    if (this.#tiles.size === 0) document.removeEventListener('visibilitychange', this.#plan);
    // Whoever has no tile has left. Coming back, they are asked for anew.
    if (tile !== undefined && !this.#userIds().has(tile.userId)) this.#told.delete(tile.userId);
  }

  readonly #plan = (): void => {
    if (this.#paused || this.#timer !== null) return;
    const waitMs = Math.max(DEBOUNCE_MS, this.#nextRoundAt - Date.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#round();
    }, waitMs);
  };

  #round(): void {
    const changed = this.#wishes().filter((wish) => !isSame(wish, this.#told.get(wish.userId)));
    if (changed.length === 0) return;
    this.#nextRoundAt = Date.now() + ROUND_MS;
    for (const wish of changed.slice(0, MAX_WISHES_PER_ROUND)) {
      this.#told.set(wish.userId, wish);
      this.#send(wish);
    }
    if (changed.length > MAX_WISHES_PER_ROUND) this.#plan();
  }

  /** The wish for everybody who has a tile. The tallest come first: they are what is looked at. */
  #wishes(): Wish[] {
    const heights = new Map<string, number>();
    for (const tile of this.#tiles.values()) {
      const height = document.hidden || !tile.visible ? 0 : heightWanted(tile.width, tile.height);
      heights.set(tile.userId, Math.max(height, heights.get(tile.userId) ?? 0));
    }
    return [...heights]
      .map(([userId, maxHeight]) => ({ userId, maxHeight, priority: PRIORITY }))
      .sort((one, other) => other.maxHeight - one.maxHeight);
  }

  #userIds(): Set<string> {
    return new Set([...this.#tiles.values()].map(({ userId }) => userId));
  }
}

/** The rung that fills a tile of so many CSS pixels; 0 for a tile without a size. */
export function heightWanted(
  width: number,
  height: number,
  pixelRatio = globalThis.devicePixelRatio,
): number {
  if (width <= 0 || height <= 0) return 0;
  const ratio = Math.min(Math.max(pixelRatio || 1, 1), MAX_PIXEL_RATIO);
  const lines = Math.max(height, width / ASPECT) * ratio;
  return RUNGS.find((rung) => lines <= rung * STRETCH) ?? HIGHEST;
}

function isSame(wish: Wish, told: Wish | undefined): boolean {
  return told !== undefined && wish.maxHeight === told.maxHeight && wish.priority === told.priority;
}
