import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '@/api/problem';
import type { CallSnapshot } from '@/app/call/CallController';
import { CallMeter } from '@/app/call/CallMeter';
import { CameraTrouble } from '@/app/call/CameraTrouble';
import type { OwnMedia } from '@/app/call/OwnMedia';
import { Announcer, useAnnounce } from '@/app/components/Announcer';
import { ErrorNote } from '@/app/components/ErrorNote';
import { CameraError } from '@/services/CameraError';

afterEach(cleanup);

describe('trouble with the camera', () => {
  const start = vi.fn();
  const dismissProblem = vi.fn();
  const media = { start, dismissProblem } as unknown as OwnMedia;

  it('is read out, with steps to take', () => {
    render(<CameraTrouble problem={new CameraError('permission-denied')} media={media} />);
    expect(screen.getByRole('alert').textContent).toContain('Your camera or microphone is blocked');
    expect(screen.getAllByRole('listitem')[0]?.textContent).toMatch(/lock or camera sign/);
  });

  it('names HTTPS where that is what is missing', () => {
    render(<CameraTrouble problem={new CameraError('insecure-context')} media={media} />);
    expect(screen.getByRole('alert').textContent).toContain('https://');
  });

  it('can be tried again, or gone on without', () => {
    render(<CameraTrouble problem={new CameraError('in-use')} media={media} />);
    fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(start).toHaveBeenCalledTimes(1);
    fireEvent.click(screen.getByRole('button', { name: 'Go on without' }));
    expect(dismissProblem).toHaveBeenCalledTimes(1);
  });
});

describe('the meter of a call', () => {
  const call = {
    callId: 'call-1',
    roomId: 'room-1',
    state: 'ACTIVE',
    pricePerMinuteMinor: 300,
    currency: 'EUR',
    minimumMs: 60_000,
    incrementMs: 1_000,
    fan: { userId: 'leo', displayName: 'Leo' },
    creator: { userId: 'mia', displayName: 'Mia' },
    endedReason: null,
    expiresAt: null,
  };

  function shown(usedMs: number, isFan = true, { minimumMs = 60_000, includedMs = 0 } = {}): string | null {
    const session = {
      usedMs,
      grantedMs: null,
      paidUntil: null,
      balanceMinor: 900,
      earnedMinor: null,
      includedMs,
    };
    const snapshot = { session, sessionAt: 0, ending: null } as unknown as CallSnapshot;
    const { container } = render(
      <CallMeter call={{ ...call, minimumMs }} isFan={isFan} snapshot={snapshot} />,
    );
    return container.textContent;
  }

  it('tells the fan what hanging up costs while that is more than the time so far', () => {
    expect(shown(16_000)).toMatch(/Cost€0\.80.*If you end it:at least €3\.00/);
    expect(shown(60_000)).not.toContain('If you end it');
  });

  it('says no more of it than there is', () => {
    expect(shown(16_000, false)).not.toContain('If you end it');
    expect(shown(0, true, { minimumMs: 1_000 })).not.toContain('If you end it');
    expect(shown(16_000, true, { includedMs: 16_000 })).not.toContain('If you end it');
    expect(shown(16_000, true, { includedMs: 15_000 })).toContain('at least €3.00');
  });
});

describe('an error', () => {
  it('is told in words for people, by its code', () => {
    render(<ErrorNote error={new ApiError(402, 'payment_required', 'insufficient: 12 < 30')} />);
    expect(screen.getByRole('alert').textContent).toContain('Add money first');
  });

  it('of an unknown code is told in the words of the server', () => {
    render(<ErrorNote error={new ApiError(409, 'brand_new', 'The creator is asleep.')} />);
    expect(screen.getByRole('alert').textContent).toContain('The creator is asleep.');
  });

  it('that nobody foresaw reveals nothing', () => {
    render(<ErrorNote error={new TypeError('x is undefined')} />);
    expect(screen.getByRole('alert').textContent).not.toContain('undefined');
  });
});

function Speaker() {
  const announce = useAnnounce();
  return (
    <button type="button" onClick={() => announce('Saved.', 'good')}>
      Save
    </button>
  );
}

it('notices are announced politely and can be dismissed', () => {
  render(
    <Announcer>
      <Speaker />
    </Announcer>,
  );
  fireEvent.click(screen.getByRole('button', { name: 'Save' }));
  expect(screen.getByRole('status').textContent).toContain('Saved.');
  fireEvent.click(screen.getByRole('button', { name: 'Dismiss' }));
  expect(screen.getByRole('status').textContent).toBe('');
});
