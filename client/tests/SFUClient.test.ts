import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CameraError } from '@/services/CameraError';
import { type ConnectionState, SFUClient, type Termination } from '@/services/SFUClient';
import { SignalingError } from '@/signaling/SignalingChannel';
import type { FakeSocket } from './fakes/FakeSocket';
import { Browser, settled } from './fakes/room';

let browser: Browser;
let client: SFUClient;

beforeEach(() => {
  vi.useFakeTimers();
  browser = new Browser();
  client = new SFUClient('room-123', 'user-456', browser.camera, browser.options);
});

afterEach(() => {
  client.leave();
  vi.useRealTimers();
});

function statesOf(subject: SFUClient): ConnectionState[] {
  const states: ConnectionState[] = [];
  subject.on('connection', (state) => states.push(state));
  return states;
}

function arrives(socket: FakeSocket, userId: string): void {
  socket.receive({ type: 'PARTICIPANT_JOINED', userId, role: 'participant', displayName: userId });
}

describe('joining as a participant', () => {
  it('sends JOIN_ROOM as the spec has it, to the signaling endpoint of the page', async () => {
    const socket = await browser.join(client);
    expect(socket.url).toBe('ws://localhost:3000/api/rtc/signaling');
    expect(socket.sent[0]).toEqual({
      type: 'JOIN_ROOM',
      roomId: 'room-123',
      userId: 'user-456',
      isSpectator: false,
    });
  });

  it('asks for a join token before it joins, and sends it', async () => {
    client = new SFUClient('room-123', 'user-456', browser.camera, {
      ...browser.options,
      joinToken: async () => 'token-1',
    });
    const socket = await browser.join(client);
    expect(socket.sentOf('JOIN_ROOM')[0]?.token).toBe('token-1');
  });

  it('offers its own tracks for sending and pairs of slots for receiving', async () => {
    const socket = await browser.join(client);
    const peer = browser.peers.last;
    expect(peer.sending.map(({ kind }) => kind)).toEqual(['audio', 'video']);
    expect(peer.slots.map(({ kind }) => kind)).toEqual(Array(4).fill(['audio', 'video']).flat());
    expect(socket.sentOf('OFFER')).toEqual([{ type: 'OFFER', sdp: 'offer 1' }]);
    expect(peer.remoteDescription?.sdp).toBe('answer');
  });

  it('sends the camera in three sizes: whole, two thirds, one third', async () => {
    await browser.join(client);
    const video = browser.peers.last.sending.find(({ kind }) => kind === 'video');
    expect(video?.encodings.map(({ scaleResolutionDownBy }) => scaleResolutionDownBy)).toEqual([3, 1.5, 1]);
  });

  it('uses the ICE servers of the server and its own', async () => {
    const iceServers = [{ urls: 'stun:stun.example.org' }];
    client = new SFUClient('room-123', 'user-456', browser.camera, { ...browser.options, iceServers });
    const joined = client.joinAsParticipant();
    await browser.admit([], {
      iceServers: [{ urls: ['turn:turn.example.org'], username: 'u', credential: 'c' }],
    });
    await joined;
    expect(browser.peers.last.configuration.iceServers).toEqual([
      { urls: ['turn:turn.example.org'], username: 'u', credential: 'c' },
      { urls: 'stun:stun.example.org' },
    ]);
  });

  it('is connected when media is', async () => {
    const states = statesOf(client);
    await browser.join(client);
    expect(states).toEqual(['connecting', 'connected']);
  });

  it('fails with the reason of the server and does not try again', async () => {
    const joined = client.joinAsParticipant();
    const refused = expect(joined).rejects.toMatchObject({ code: 'room_full', final: true });
    await settled();
    const socket = browser.sockets.last;
    socket.open();
    await settled();
    socket.receive({ type: 'ERROR', code: 'room_full', message: 'The room is full.' });
    socket.lose(4409);
    await refused;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(browser.sockets.all).toHaveLength(1);
    expect(client.state).toBe('closed');
  });

  it('fails with an error of the camera when there is none', async () => {
    browser.devices.refuse = () => 'NotAllowedError';
    await expect(client.joinAsParticipant()).rejects.toBeInstanceOf(CameraError);
    expect(browser.sockets.all).toHaveLength(0);
  });

  it('joins without a camera when that is allowed', async () => {
    browser.devices.refuse = () => 'NotFoundError';
    client = new SFUClient('room-123', 'user-456', browser.camera, {
      ...browser.options,
      cameraOptional: true,
    });
    await browser.join(client);
    expect(browser.peers.last.sending).toEqual([]);
    expect(client.state).toBe('connected');
  });

  it('gives up when the server cannot be reached', async () => {
    const joined = client.joinAsParticipant();
    const refused = expect(joined).rejects.toBeInstanceOf(SignalingError);
    await settled();
    browser.sockets.last.refuse();
    await refused;
  });
});

describe('remote streams', () => {
  it('come as the server puts users on slots', async () => {
    const seen: [string, number][] = [];
    client.onRemoteStream = (stream, userId) => seen.push([userId, stream.getTracks().length]);
    const socket = await browser.join(client);
    socket.receive({
      type: 'TRACKS',
      slots: [
        { mid: '2', kind: 'audio', userId: 'mia', source: 'microphone' },
        { mid: '3', kind: 'video', userId: 'mia', source: 'camera' },
        { mid: '4', kind: 'audio', userId: null, source: null },
      ],
    });
    expect(seen).toEqual([['mia', 2]]);
  });

  it('that are there already are told to a handler set late', async () => {
    const socket = await browser.join(client);
    socket.receive({ type: 'TRACKS', slots: [{ mid: '3', kind: 'video', userId: 'mia', source: 'camera' }] });
    const handler = vi.fn();
    client.onRemoteStream = handler;
    expect(handler).toHaveBeenCalledWith(expect.anything(), 'mia');
  });

  it('lose and gain tracks when slots change, without being announced again', async () => {
    const handler = vi.fn();
    client.onRemoteStream = handler;
    const socket = await browser.join(client);
    socket.receive({ type: 'TRACKS', slots: [{ mid: '3', kind: 'video', userId: 'mia', source: 'camera' }] });
    socket.receive({ type: 'TRACKS', slots: [{ mid: '5', kind: 'video', userId: 'mia', source: 'camera' }] });
    expect(handler).toHaveBeenCalledTimes(1);
    const stream = handler.mock.calls[0]?.[0] as MediaStream;
    expect(stream.getTracks()).toEqual([browser.peers.last.transceivers[5]?.receiver.track]);
  });

  it('go when their user is on no slot', async () => {
    const gone = vi.fn();
    client.on('streamRemoved', gone);
    const socket = await browser.join(client);
    socket.receive({ type: 'TRACKS', slots: [{ mid: '3', kind: 'video', userId: 'mia', source: 'camera' }] });
    socket.receive({ type: 'TRACKS', slots: [{ mid: '3', kind: 'video', userId: null, source: null }] });
    expect(gone).toHaveBeenCalledWith({ userId: 'mia' });
  });

  it('get new slots, four pairs at a time, by a new offer when the room outgrows them', async () => {
    const socket = await browser.join(client);
    for (const userId of ['a', 'b', 'c', 'd', 'e', 'f']) arrives(socket, userId);
    await settled();
    expect(browser.peers.last.slots).toHaveLength(16);
    expect(socket.sentOf('OFFER').map(({ sdp }) => sdp)).toEqual(['offer 1', 'offer 2']);
  });

  it('are never more than a full room has', async () => {
    const socket = await browser.join(client);
    for (let number = 0; number < 40; number++) arrives(socket, `user-${number}`);
    await settled();
    expect(browser.peers.last.slots).toHaveLength(2 * 19);
  });

  it('wait with a further offer until the one before is answered', async () => {
    const socket = await browser.join(client);
    for (const userId of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']) arrives(socket, userId);
    await settled();
    expect(socket.sentOf('OFFER')).toHaveLength(2);
    socket.receive({ type: 'ANSWER', sdp: 'answer 2' });
    await settled();
    expect(socket.sentOf('OFFER')).toHaveLength(3);
  });
});

describe('muting', () => {
  it('sends nothing at all, and the track again afterwards', async () => {
    await browser.join(client);
    const video = browser.peers.last.sending.find(({ kind }) => kind === 'video');
    const track = video?.sender.track;
    await client.setMuted('video', true);
    expect(video?.sender.track).toBeNull();
    await client.setMuted('video', false);
    expect(video?.sender.track).toBe(track);
  });

  it('outlasts a flip of the camera', async () => {
    await browser.join(client);
    await client.setMuted('audio', true);
    await browser.camera.toggleCamera();
    await settled();
    const [audio, video] = browser.peers.last.sending;
    expect(audio?.sender.track).toBeNull();
    expect(video?.sender.track).toBe(browser.camera.stream?.getVideoTracks()[0]);
  });
});

describe('a lost network', () => {
  it('is first mended by a new path over the signaling that stands', async () => {
    const socket = await browser.join(client);
    const peer = browser.peers.last;
    peer.becomes('disconnected');
    await vi.advanceTimersByTimeAsync(2_000);
    expect(client.state).toBe('reconnecting');
    expect(peer.restarts).toBe(1);
    expect(socket.sentOf('OFFER')).toHaveLength(2);
    socket.receive({ type: 'ANSWER', sdp: 'answer 2' });
    peer.becomes('connected');
    expect(client.state).toBe('connected');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(browser.sockets.all).toHaveLength(1);
  });

  it('that comes back by itself at once is not even noticed', async () => {
    await browser.join(client);
    browser.peers.last.becomes('disconnected');
    await vi.advanceTimersByTimeAsync(1_000);
    browser.peers.last.becomes('connected');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(browser.peers.last.restarts).toBe(0);
    expect(client.state).toBe('connected');
  });

  it('with the signaling gone goes on with the same media over new signaling', async () => {
    let tokens = 0;
    client = new SFUClient('room-123', 'user-456', browser.camera, {
      ...browser.options,
      joinToken: async () => {
        tokens += 1;
        return `token-${tokens}`;
      },
    });
    const socket = await browser.join(client);
    const peer = browser.peers.last;
    peer.findsPath('wifi');
    socket.lose(1006);
    expect(client.state).toBe('reconnecting');
    const relay = { urls: ['turn:turn.example.org'], username: 'u', credential: 'c' };
    const again = await browser.admit([], { iceServers: [relay] });
    expect(again.sentOf('JOIN_ROOM')[0]?.token).toBe('token-2');
    expect(again.sentOf('OFFER')).toHaveLength(1);
    expect(peer.restarts).toBe(1);
    expect(peer.configuration.iceServers).toEqual([relay]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(client.state, 'the path of before proves nothing').toBe('reconnecting');
    peer.findsPath('mobile');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(client.state).toBe('connected');
    expect(browser.peers.all).toHaveLength(1);
    expect(peer.closed).toBe(false);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(browser.sockets.all).toHaveLength(2);
  });

  it('begins anew when the server has another session by now', async () => {
    const socket = await browser.join(client);
    socket.lose(1006);
    await browser.admit([], {}, 'v=0\r\no=sfu 2 2 IN IP4 0.0.0.0\r\n');
    await vi.advanceTimersByTimeAsync(0);
    await browser.admit();
    expect(browser.peers.all).toHaveLength(2);
    expect(browser.peers.all[0]?.closed).toBe(true);
    browser.peers.last.becomes('connected');
    expect(client.state).toBe('connected');
  });

  it('begins anew when no path is found for the media of before', async () => {
    const socket = await browser.join(client);
    socket.lose(1006);
    await browser.admit();
    expect(browser.peers.all).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(10_000);
    await browser.admit();
    expect(browser.peers.all).toHaveLength(2);
    browser.peers.last.becomes('connected');
    expect(client.state).toBe('connected');
  });

  it('is tried again and again, further and further apart, while nobody answers', async () => {
    const socket = await browser.join(client);
    socket.lose();
    for (let attempt = 2; attempt <= 5; attempt++) {
      await settled();
      expect(browser.sockets.all).toHaveLength(attempt);
      browser.sockets.last.refuse();
      await vi.advanceTimersByTimeAsync(5_000);
    }
  });

  it('is tried at once when the device says that it is online again', async () => {
    const socket = await browser.join(client);
    socket.lose();
    await settled();
    browser.sockets.last.refuse();
    await settled();
    window.dispatchEvent(new Event('online'));
    await settled();
    expect(browser.sockets.all).toHaveLength(3);
  });

  it('that stays away beyond the grace ends the call and frees the camera', async () => {
    const ended: Termination[] = [];
    client.on('terminated', (termination) => ended.push(termination));
    const socket = await browser.join(client);
    socket.lose();
    for (let second = 0; second < 45; second++) {
      await settled();
      if (browser.sockets.last.readyState === WebSocket.CONNECTING) browser.sockets.last.refuse();
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(ended).toEqual([{ reason: 'CONNECTION_LOST', redirectUrl: '/models' }]);
    expect(browser.camera.stream).toBeNull();
  });

  it('is over when the room has ended meanwhile', async () => {
    const ended: Termination[] = [];
    client.on('terminated', (termination) => ended.push(termination));
    const socket = await browser.join(client);
    socket.lose();
    await settled();
    browser.sockets.last.open();
    await settled();
    browser.sockets.last.receive({ type: 'ERROR', code: 'room_ended', message: 'Over.' });
    browser.sockets.last.lose(4410);
    await settled();
    expect(ended).toHaveLength(1);
    expect(client.state).toBe('closed');
  });
});

describe('the end', () => {
  it('by leaving says LEAVE_ROOM and leaves the camera to its owner', async () => {
    const socket = await browser.join(client);
    client.leave();
    expect(socket.sent.at(-1)).toEqual({ type: 'LEAVE_ROOM' });
    expect(socket.closedByClient).toBe(true);
    expect(browser.peers.last.closed).toBe(true);
    expect(browser.camera.stream).not.toBeNull();
  });

  it('by TERMINATE_CALL closes everything, stops the camera and tells why', async () => {
    const ended = vi.fn();
    client.on('terminated', ended);
    const socket = await browser.join(client);
    socket.receive({ type: 'TERMINATE_CALL', reason: 'ADMIN_TERMINATED', redirectUrl: '/models' });
    expect(ended).toHaveBeenCalledWith({ reason: 'ADMIN_TERMINATED', redirectUrl: '/models' });
    expect(browser.peers.last.closed).toBe(true);
    expect(socket.closedByClient).toBe(true);
    expect(browser.camera.stream).toBeNull();
  });

  it('while joining lets the joining fail and opens nothing', async () => {
    const joined = client.joinAsParticipant();
    const refused = expect(joined).rejects.toMatchObject({ code: 'closed' });
    await settled();
    client.leave();
    browser.sockets.last.open();
    await refused;
    expect(browser.peers.all).toHaveLength(0);
  });
});

describe('joining as a spectator', () => {
  it('returns the address of the playlist, and needs no camera', async () => {
    const joined = client.joinAsSpectator();
    await settled();
    const socket = browser.sockets.last;
    socket.open();
    await settled();
    expect(socket.sentOf('JOIN_ROOM')[0]?.isSpectator).toBe(true);
    const streamUrl = 'https://cdn.example.org/live/room-123/master.m3u8';
    socket.receive({ type: 'SPECTATOR_URL', streamUrl });
    await expect(joined).resolves.toBe(streamUrl);
    expect(browser.devices.requests).toHaveLength(0);
  });

  it('gives up a seat in the room', async () => {
    const seat = await browser.join(client);
    const joined = client.joinAsSpectator();
    await settled();
    expect(seat.sent.at(-1)).toEqual({ type: 'LEAVE_ROOM' });
    browser.sockets.last.open();
    await settled();
    browser.sockets.last.receive({ type: 'SPECTATOR_URL', streamUrl: 'https://cdn.example.org/a.m3u8' });
    await joined;
    expect(client.state).toBe('connected');
  });
});
