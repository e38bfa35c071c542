import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '@/api/problem';
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
