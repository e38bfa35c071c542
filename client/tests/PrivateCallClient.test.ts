import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { endingMessage, PrivateCallClient } from '@/services/PrivateCallClient';
import { Browser } from './fakes/room';

let browser: Browser;
let client: PrivateCallClient;
let video: HTMLVideoElement;
let audio: HTMLAudioElement;
const alert = vi.fn();
const navigate = vi.fn();

beforeEach(() => {
  vi.useFakeTimers();
  // jsdom does not play media.
  vi.spyOn(HTMLMediaElement.prototype, 'play').mockResolvedValue();
  vi.spyOn(HTMLMediaElement.prototype, 'pause').mockReturnValue();
  alert.mockClear();
  navigate.mockClear();
  browser = new Browser();
  client = new PrivateCallClient('room-123', 'user-456', browser.camera, {
    ...browser.options,
    alert,
    navigate,
  });
  video = document.createElement('video');
  audio = document.createElement('audio');
});

afterEach(() => {
  client.leave();
  vi.useRealTimers();
});

const TRACKS = {
  type: 'TRACKS' as const,
  slots: [
    { mid: '2', kind: 'audio', userId: 'mia', source: 'microphone' },
    { mid: '3', kind: 'video', userId: 'mia', source: 'camera' },
  ],
};

async function liveCall() {
  client.attachStreamElements(video, audio);
  const socket = await browser.join(client);
  socket.receive(TRACKS);
  return socket;
}

describe('a private call', () => {
  it('has one pair of slots and sends one size of the camera', async () => {
    await browser.join(client);
    const peer = browser.peers.last;
    expect(peer.slots).toHaveLength(2);
    expect(peer.sending.find(({ kind }) => kind === 'video')?.encodings).toHaveLength(1);
  });

  it('shows the other side in the video and plays it in the audio element', async () => {
    await liveCall();
    expect(video.srcObject).not.toBeNull();
    expect(audio.srcObject).toBe(video.srcObject);
    expect(video.muted).toBe(true);
    expect(audio.muted).toBe(false);
  });

  it('shows a stream that came before the elements were attached', async () => {
    const socket = await browser.join(client);
    socket.receive(TRACKS);
    client.attachStreamElements(video, audio);
    expect(video.srcObject).not.toBeNull();
  });
});

describe('TERMINATE_CALL', () => {
  it('cuts to black, mutes, says why, closes the connection and stops the camera, all at once', async () => {
    const socket = await liveCall();
    const ownTracks = browser.devices.streams.flatMap((stream) => stream.getTracks());
    socket.receive({ type: 'TERMINATE_CALL', reason: 'PAYMENT_FAILED', redirectUrl: '/models' });

    expect(video.srcObject).toBeNull();
    expect(video.style.backgroundColor).toBe('rgb(0, 0, 0)');
    expect(audio.srcObject).toBeNull();
    expect([video.muted, audio.muted]).toEqual([true, true]);
    expect(alert).toHaveBeenCalledWith('Your private call has ended. Reason: PAYMENT FAILED');
    expect(browser.peers.last.closed).toBe(true);
    expect(socket.closedByClient).toBe(true);
    expect(ownTracks.map(({ readyState }) => readyState)).toEqual(['ended', 'ended']);
  });

  it('goes to the models page one second later, not before', async () => {
    const socket = await liveCall();
    socket.receive({ type: 'TERMINATE_CALL', reason: 'TIME_EXPIRED', redirectUrl: '/models' });
    await vi.advanceTimersByTimeAsync(999);
    expect(navigate).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(navigate).toHaveBeenCalledExactlyOnceWith('/models');
  });

  it('stays on the page when the seat was taken over by another window', async () => {
    const socket = await liveCall();
    socket.receive({ type: 'TERMINATE_CALL', reason: 'REPLACED', redirectUrl: null });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(alert).toHaveBeenCalledWith('Your private call has ended. Reason: REPLACED');
    expect(navigate).not.toHaveBeenCalled();
  });

  it('never leads to another site', async () => {
    const socket = await liveCall();
    socket.receive({
      type: 'TERMINATE_CALL',
      reason: 'TIME_EXPIRED',
      redirectUrl: 'https://elsewhere.example/',
    });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(navigate).not.toHaveBeenCalled();
  });

  it('is final: the lost socket after it is not mended, later messages count for nothing', async () => {
    const socket = await liveCall();
    socket.receive({ type: 'TERMINATE_CALL', reason: 'PAYMENT_FAILED', redirectUrl: '/models' });
    socket.receive(TRACKS);
    socket.lose(4410);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(video.srcObject).toBeNull();
    expect(browser.sockets.all).toHaveLength(1);
    expect(alert).toHaveBeenCalledTimes(1);
  });

  it('is read out and shown on the page when nobody else shows it', async () => {
    client = new PrivateCallClient('room-123', 'user-456', browser.camera, { ...browser.options, navigate });
    const socket = await liveCall();
    socket.receive({ type: 'TERMINATE_CALL', reason: 'PAYMENT_FAILED', redirectUrl: '/models' });
    const note = document.querySelector('[role="alert"]');
    expect(note?.textContent).toBe('Your private call has ended. Reason: PAYMENT FAILED');
    note?.remove();
  });
});

it('writes reasons as words', () => {
  expect(endingMessage('TIME_EXPIRED')).toBe('Your private call has ended. Reason: TIME EXPIRED');
});
