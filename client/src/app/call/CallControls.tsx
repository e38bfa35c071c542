import { useAction } from '../state/useLoad';
import type { CallController, CallSnapshot } from './CallController';
import { Control } from './Control';

interface Props {
  snapshot: CallSnapshot;
  controller: CallController;
  chatOpen: boolean;
  toggleChat: () => void;
}

export function CallControls({ snapshot, controller, chatOpen, toggleChat }: Props) {
  const { micMuted, cameraMuted, localStream, unread, ending } = snapshot;
  const flip = useAction(() => controller.media.flip());
  const hangUp = useAction(() => controller.hangUp());
  const hasCamera = localStream !== null;
  return (
    <div className="controls" role="toolbar" aria-label="Call controls">
      <Control
        icon={micMuted ? 'micOff' : 'mic'}
        label={micMuted ? 'Unmute microphone' : 'Mute microphone'}
        pressed={micMuted}
        disabled={!hasCamera}
        act={() => controller.media.toggle('audio')}
      />
      <Control
        icon={cameraMuted ? 'cameraOff' : 'camera'}
        label={cameraMuted ? 'Turn camera on' : 'Turn camera off'}
        pressed={cameraMuted}
        disabled={!hasCamera}
        act={() => controller.media.toggle('video')}
      />
      <Control
        icon="flip"
        label="Flip camera"
        disabled={!hasCamera || cameraMuted || flip.busy}
        act={() => flip.run()}
      />
      <Control
        icon="chat"
        label={unread > 0 ? `Chat, ${unread} unread` : 'Chat'}
        pressed={chatOpen}
        badge={unread}
        act={toggleChat}
      />
      <Control
        icon="hangUp"
        label="End call"
        danger
        disabled={ending !== null || hangUp.busy}
        act={() => hangUp.run()}
      />
    </div>
  );
}
