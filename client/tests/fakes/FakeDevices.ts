import { FakeStream, FakeTrack } from './FakePeer';

/** Cameras and microphones as `getUserMedia` offers them; `refuse` decides what each request is answered with. */
export class FakeDevices {
  readonly requests: MediaStreamConstraints[] = [];
  readonly streams: FakeStream[] = [];
  kinds: MediaDeviceKind[] = ['videoinput', 'audioinput'];
  refuse: (constraints: MediaStreamConstraints) => string | null = () => null;

  async getUserMedia(constraints: MediaStreamConstraints): Promise<FakeStream> {
    this.requests.push(constraints);
    const refusal = this.refuse(constraints);
    if (refusal !== null) throw Object.assign(new Error(refusal), { name: refusal });
    const kinds = [constraints.video && 'video', constraints.audio && 'audio'].filter(
      (kind) => typeof kind === 'string',
    );
    const stream = new FakeStream(kinds.map((kind) => new FakeTrack(kind)));
    this.streams.push(stream);
    return stream;
  }

  async enumerateDevices(): Promise<{ kind: MediaDeviceKind }[]> {
    return this.kinds.map((kind) => ({ kind }));
  }

  asMediaDevices(): MediaDevices {
    return this as unknown as MediaDevices;
  }
}
