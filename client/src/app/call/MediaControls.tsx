import { useAction } from '../state/useLoad';
import { Control } from './Control';
import type { OwnMedia, OwnMediaState } from './OwnMedia';

/** Microphone and camera of one's own, in any room. `canFlip` adds the way to the other camera. */
export function MediaControls(props: { state: OwnMediaState; media: OwnMedia; canFlip: boolean }) {
  const { state, media, canFlip } = props;
  const { micMuted, cameraMuted, localStream } = state;
  const flip = useAction(() => media.flip());
  const hasCamera = localStream !== null;
  return (
    <>
      <Control
        icon={micMuted ? 'micOff' : 'mic'}
        label={micMuted ? 'Unmute microphone' : 'Mute microphone'}
        pressed={micMuted}
        disabled={!hasCamera}
        act={() => media.toggle('audio')}
      />
      <Control
        icon={cameraMuted ? 'cameraOff' : 'camera'}
        label={cameraMuted ? 'Turn camera on' : 'Turn camera off'}
        pressed={cameraMuted}
        disabled={!hasCamera}
        act={() => media.toggle('video')}
      />
      {canFlip && (
        <Control
          icon="flip"
          label="Flip camera"
          disabled={!hasCamera || cameraMuted || flip.busy}
          act={() => flip.run()}
        />
      )}
    </>
  );
}
