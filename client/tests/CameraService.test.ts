import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CameraError, type CameraProblem } from '@/services/CameraError';
import { CameraService } from '@/services/CameraService';
import { FakeDevices } from './fakes/FakeDevices';
import { FakeStream } from './fakes/FakePeer';

let devices: FakeDevices;
let camera: CameraService;

beforeEach(() => {
  vi.stubGlobal('MediaStream', FakeStream);
  devices = new FakeDevices();
  camera = new CameraService({ mediaDevices: devices.asMediaDevices() });
});

function videoOf(request: MediaStreamConstraints | undefined): MediaTrackConstraints {
  return request?.video as MediaTrackConstraints;
}

async function problemOf(attempt: Promise<unknown>): Promise<CameraProblem> {
  const error = await attempt.catch((reason) => reason);
  expect(error).toBeInstanceOf(CameraError);
  return (error as CameraError).problem;
}

describe('starting', () => {
  it('asks for 1280x720 of exactly the wanted side, with sound', async () => {
    const stream = await camera.startCamera('environment');
    expect(devices.requests).toHaveLength(1);
    expect(videoOf(devices.requests[0])).toMatchObject({
      width: { ideal: 1280 },
      height: { ideal: 720 },
      facingMode: { exact: 'environment' },
    });
    expect(stream.getTracks().map(({ kind }) => kind)).toEqual(['video', 'audio']);
    expect(camera.facing).toBe('environment');
  });

  it('falls back to a wish for the side, then to any camera', async () => {
    devices.refuse = ({ video }) => (video === true ? null : 'OverconstrainedError');
    await camera.startCamera('user');
    expect(
      devices.requests.map(({ video }) =>
        video === true ? true : (video as MediaTrackConstraints).facingMode,
      ),
    ).toEqual([{ exact: 'user' }, 'user', true]);
  });

  it('does not ask again when the person said no', async () => {
    devices.refuse = () => 'NotAllowedError';
    expect(await problemOf(camera.startCamera())).toBe('permission-denied');
    expect(devices.requests).toHaveLength(1);
  });

  it.each([
    ['NotFoundError', 'no-camera'],
    ['NotReadableError', 'in-use'],
    ['OverconstrainedError', 'constraints'],
    ['AbortError', 'in-use'],
    ['SecurityError', 'permission-denied'],
    ['SomethingNew', 'unknown'],
  ])('explains %s as %s', async (name, problem) => {
    devices.refuse = () => name;
    expect(await problemOf(camera.startCamera())).toBe(problem);
  });

  it('tells a missing microphone from a missing camera', async () => {
    devices.refuse = () => 'NotFoundError';
    devices.kinds = ['videoinput'];
    expect(await problemOf(camera.startCamera())).toBe('no-microphone');
  });

  it('says that HTTPS is missing where there are no devices for that reason', async () => {
    vi.stubGlobal('isSecureContext', false);
    expect(await problemOf(new CameraService({ mediaDevices: undefined }).startCamera())).toBe(
      'insecure-context',
    );
  });

  it('gives every problem a title and steps that a person can take', () => {
    for (const problem of ['insecure-context', 'permission-denied', 'no-camera', 'in-use'] as const) {
      const { title, steps } = new CameraError(problem).advice;
      expect(title).not.toBe('');
      expect(steps.length).toBeGreaterThan(0);
    }
  });

  it('overtaken by a stop gives its devices back', async () => {
    const started = camera.startCamera();
    camera.stopCamera();
    expect(await problemOf(started)).toBe('interrupted');
    expect(devices.streams[0]?.getTracks().map(({ readyState }) => readyState)).toEqual(['ended', 'ended']);
  });
});

describe('toggling', () => {
  it('swaps the camera and keeps the microphone', async () => {
    const before = await camera.startCamera('user');
    const after = await camera.toggleCamera();
    expect(before.getVideoTracks()[0]?.readyState).toBe('ended');
    expect(after.getAudioTracks()).toEqual(before.getAudioTracks());
    expect(videoOf(devices.requests[1])).toMatchObject({ facingMode: { exact: 'environment' } });
    expect(devices.requests[1]?.audio).toBe(false);
    expect(camera.facing).toBe('environment');
    await camera.toggleCamera();
    expect(camera.facing).toBe('user');
  });

  it('goes back to the camera in use when the other one cannot be had', async () => {
    await camera.startCamera('user');
    devices.refuse = ({ video }) =>
      JSON.stringify(video).includes('environment') ? 'NotReadableError' : null;
    expect(await problemOf(camera.toggleCamera())).toBe('in-use');
    expect(camera.facing).toBe('user');
    expect(camera.stream?.getVideoTracks()[0]?.readyState).toBe('live');
  });

  it('needs a started camera', async () => {
    expect(await problemOf(camera.toggleCamera())).toBe('not-started');
  });
});

describe('stopping', () => {
  it('ends every track and tells who follows the stream', async () => {
    const followed: (MediaStream | null)[] = [];
    camera.on('stream', (stream) => followed.push(stream));
    const stream = await camera.startCamera();
    camera.stopCamera();
    camera.stopCamera();
    expect(stream.getTracks().map(({ readyState }) => readyState)).toEqual(['ended', 'ended']);
    expect(followed).toEqual([stream, null]);
  });

  it('is told apart from a device that went away', async () => {
    const interrupted = vi.fn();
    camera.on('interrupted', interrupted);
    const stream = await camera.startCamera();
    stream.getVideoTracks()[0]?.dispatchEvent(new Event('ended'));
    expect(interrupted).toHaveBeenCalledTimes(1);
  });
});

it('captures nothing without a camera', async () => {
  expect(await problemOf(camera.captureFrame())).toBe('not-started');
});
