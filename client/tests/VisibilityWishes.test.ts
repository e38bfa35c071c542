import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  DEBOUNCE_MS,
  heightWanted,
  MAX_WISHES_PER_ROUND,
  ROUND_MS,
  VisibilityWishes,
  type Wish,
} from '@/services/VisibilityWishes';
import { FakeObservers } from './fakes/FakeObservers';

let observers: FakeObservers;
let sent: Wish[];
let wishes: VisibilityWishes;
let hidden = false;
const endings: (() => void)[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  observers = new FakeObservers();
  hidden = false;
  vi.spyOn(document, 'hidden', 'get').mockImplementation(() => hidden);
  sent = [];
  wishes = new VisibilityWishes((wish) => sent.push(wish));
  wishes.begin();
});

afterEach(() => {
  for (const unwatch of endings.splice(0)) unwatch();
  vi.useRealTimers();
});

function tile(userId: string): { element: Element; unwatch: () => void } {
  const element = document.createElement('div');
  const unwatch = wishes.watch(element, userId);
  endings.push(unwatch);
  return { element, unwatch };
}

/** Lets everything be said that is to be said. */
function settle(): Wish[] {
  vi.advanceTimersByTime(ROUND_MS + DEBOUNCE_MS);
  return sent.splice(0);
}

describe('the height that is asked for', () => {
  it.each([
    [0, 0, 1, 0],
    [160, 90, 1, 240],
    [426, 240, 1, 240],
    [600, 338, 1, 480],
    [1280, 720, 1, 720],
    [2560, 1440, 1, 720],
    // A tall tile is filled by cutting the sides off: it needs its height.
    [200, 500, 1, 480],
    [330, 186, 2, 480],
    // A pixel ratio above two is not told apart.
    [200, 112, 4, 240],
  ])('of a tile of %i x %i at a ratio of %i is %i', (width, height, ratio, lines) => {
    expect(heightWanted(width, height, ratio)).toBe(lines);
  });
});

describe('wishes', () => {
  it('follow what is visible and how large', () => {
    const { element } = tile('mia');
    expect(settle()).toEqual([{ userId: 'mia', maxHeight: 0, priority: 0 }]);
    observers.shows(element, 1280, 720);
    expect(settle()).toEqual([{ userId: 'mia', maxHeight: 720, priority: 0 }]);
    observers.shows(element, 320, 180);
    expect(settle()).toEqual([{ userId: 'mia', maxHeight: 240, priority: 0 }]);
    observers.shows(element, 320, 180, false);
    expect(settle()).toEqual([{ userId: 'mia', maxHeight: 0, priority: 0 }]);
  });

  it('are not repeated while they stay the same', () => {
    const { element } = tile('mia');
    observers.shows(element, 320, 180);
    settle();
    observers.shows(element, 330, 186);
    expect(settle()).toEqual([]);
  });

  it('wait until the layout has settled', () => {
    const { element } = tile('mia');
    observers.shows(element, 1280, 720);
    vi.advanceTimersByTime(DEBOUNCE_MS - 1);
    observers.shows(element, 320, 180);
    expect(settle()).toEqual([{ userId: 'mia', maxHeight: 240, priority: 0 }]);
  });

  it('are bounded in rate however fast a window is dragged', () => {
    const tiles = Array.from({ length: 19 }, (_, index) => tile(`user-${index}`));
    for (let step = 0; step < 100; step++) {
      for (const { element } of tiles) observers.shows(element, step % 2 ? 1280 : 320, step % 2 ? 720 : 180);
      vi.advanceTimersByTime(100);
    }
    // 10 s: the server takes 200 messages in that time.
    expect(sent.length).toBeLessThanOrEqual(11 * MAX_WISHES_PER_ROUND);
    settle();
    sent = [];
    expect(settle()).toEqual([]);
  });

  it('of many people come in several rounds, the largest first', () => {
    for (let index = 0; index < 19; index++) {
      const { element } = tile(`user-${index}`);
      observers.shows(element, index === 18 ? 1280 : 160, index === 18 ? 720 : 90);
    }
    vi.advanceTimersByTime(DEBOUNCE_MS);
    expect(sent).toHaveLength(MAX_WISHES_PER_ROUND);
    expect(sent[0]?.userId).toBe('user-18');
    vi.advanceTimersByTime(ROUND_MS);
    expect(sent).toHaveLength(19);
  });

  it('take the larger of two tiles of one person', () => {
    observers.shows(tile('mia').element, 160, 90);
    observers.shows(tile('mia').element, 1280, 720);
    expect(settle()).toEqual([{ userId: 'mia', maxHeight: 720, priority: 0 }]);
  });

  it('ask for no picture while the page is hidden', () => {
    const { element } = tile('mia');
    observers.shows(element, 320, 180);
    settle();
    hidden = true;
    document.dispatchEvent(new Event('visibilitychange'));
    expect(settle()).toEqual([{ userId: 'mia', maxHeight: 0, priority: 0 }]);
    hidden = false;
    document.dispatchEvent(new Event('visibilitychange'));
    expect(settle()).toEqual([{ userId: 'mia', maxHeight: 240, priority: 0 }]);
  });

  it('are told anew on a new seat, and not without one', () => {
    const { element } = tile('mia');
    observers.shows(element, 320, 180);
    settle();
    wishes.end();
    observers.shows(element, 1280, 720);
    expect(settle()).toEqual([]);
    wishes.begin();
    expect(settle()).toEqual([{ userId: 'mia', maxHeight: 720, priority: 0 }]);
  });

  it('say nothing of somebody who left, and all of somebody who came back', () => {
    const first = tile('mia');
    observers.shows(first.element, 320, 180);
    settle();
    first.unwatch();
    expect(observers.watched).toEqual([]);
    expect(settle()).toEqual([]);
    observers.shows(tile('mia').element, 320, 180);
    expect(settle()).toEqual([{ userId: 'mia', maxHeight: 240, priority: 0 }]);
  });
});
