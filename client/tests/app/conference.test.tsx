import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { QualityMark } from '@/app/components/QualityMark';
import { ShareLink } from '@/app/components/ShareLink';
import { whoIsThere } from '@/app/conference/ConferenceDoor';
import { gridColumns, gridStart, places } from '@/app/conference/gridShape';
import type { Reading } from '@/services/CallQuality';

afterEach(cleanup);

describe('the grid', () => {
  it.each([
    // A phone, held upright
    [1, 390, 680, 1],
    [2, 390, 680, 1],
    [4, 390, 680, 1],
    [6, 390, 680, 2],
    [20, 390, 680, 3],
    // The same phone, lying
    [2, 844, 250, 2],
    // A desktop
    [1, 1440, 750, 1],
    [2, 1440, 750, 2],
    [4, 1440, 750, 2],
    [9, 1440, 750, 3],
    [20, 1440, 750, 5],
    // Not laid out yet
    [20, 0, 0, 1],
  ])('puts %i tiles on %i x %i into %i columns', (tiles, width, height, columns) => {
    expect(gridColumns(tiles, width, height)).toBe(columns);
  });

  it('puts a last row that is not full into the middle', () => {
    const starts = (tiles: number, columns: number) =>
      Array.from({ length: tiles }, (_, index) => gridStart(index, tiles, columns));
    expect(starts(3, 2)).toEqual([undefined, undefined, 2]);
    expect(starts(7, 5).at(5)).toBe(4);
    expect(starts(4, 2).every((start) => start === undefined)).toBe(true);
  });
});

describe('the places in the grid', () => {
  const few = ['a', 'b', 'c'];
  const many = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

  it('stay as they are where there are few', () => {
    expect(places(few, 'c')).toEqual({ others: [1, 2, 3], own: 0 });
  });

  it('are changed by whoever speaks with the first, where there are many', () => {
    expect(places(many, null)).toEqual({ others: [0, 1, 2, 3, 4, 5, 6], own: 7 });
    expect(places(many, 'd')).toEqual({ others: [3, 1, 2, 0, 4, 5, 6], own: 7 });
    expect(places(many, 'a').others[0]).toBe(0);
    expect(places(many, 'gone').others).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });
});

describe('who is there', () => {
  it.each([
    [[], 'Nobody is there yet.'],
    [['Mia'], 'Mia is there.'],
    [['Mia', 'Leo'], 'Mia and Leo are there.'],
    [['Mia', 'Leo', 'Juno'], 'Mia, Leo and Juno are there.'],
    [['Mia', 'Leo', 'Juno', 'Ada'], 'Mia, Leo and 2 others are there.'],
  ])('of %o is told as %s', (names, words) => {
    expect(whoIsThere(names)).toBe(words);
  });
});

describe('the quality of the connection', () => {
  const reading: Reading = {
    grade: 'poor',
    lossPercent: 12.34,
    rttMs: 88.4,
    jitterMs: null,
    freezeMs: 700,
    heldBack: false,
    upBps: null,
    downBps: null,
    estimateBps: null,
    flowing: new Set(),
  };

  it('is said in words, with the figures for whoever wants them', () => {
    render(<QualityMark reading={reading} />);
    const mark = screen.getByRole('status');
    expect(mark.textContent).toBe('Bad connection');
    expect(mark.title).toBe('round trip 88 ms, 12.3 % lost, picture stood still for 700 ms');
  });

  it('has the figures of the server too', () => {
    const seen = { jitterMs: 3.6, upBps: 912_000, downBps: 2_040_000, estimateBps: 4e6, heldBack: true };
    render(<QualityMark reading={{ ...reading, freezeMs: 0, ...seen }} />);
    expect(screen.getByRole('status').title).toBe(
      'round trip 88 ms, 12.3 % lost, jitter 4 ms, 2.0 Mbit/s received, of 4.0 Mbit/s possible, ' +
        '0.9 Mbit/s sent, pictures are held back',
    );
  });

  it('is there for screen readers when it is good, and empty before it is known', () => {
    const { rerender } = render(<QualityMark reading={{ ...reading, grade: 'good' }} />);
    expect(screen.getByText('Good connection').className).toBe('visually-hidden');
    rerender(<QualityMark reading={null} />);
    expect(screen.getByRole('status').textContent).toBe('');
  });
});

describe('a link to be shared', () => {
  it('is copied', async () => {
    const writeText = vi.fn(async () => undefined);
    vi.stubGlobal('navigator', { clipboard: { writeText } });
    render(<ShareLink path="/rooms/room-1" />);
    fireEvent.click(screen.getByRole('button', { name: 'Copy link' }));
    expect(writeText).toHaveBeenCalledWith(`${location.origin}/rooms/room-1`);
    expect((await screen.findByRole('status')).textContent).toBe('The link is copied.');
  });

  it('is marked where the clipboard is not to be had', () => {
    vi.stubGlobal('navigator', {});
    render(<ShareLink path="/rooms/room-1" />);
    fireEvent.click(screen.getByRole('button', { name: 'Copy link' }));
    const field = screen.getByLabelText<HTMLInputElement>('Link to this room');
    expect(field.selectionEnd).toBe(field.value.length);
  });
});
