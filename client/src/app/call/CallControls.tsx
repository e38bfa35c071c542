import { useAction } from '../state/useLoad';
import type { CallController, CallSnapshot } from './CallController';
import { Control } from './Control';
import { MediaControls } from './MediaControls';

interface Props {
  snapshot: CallSnapshot;
  controller: CallController;
  chatOpen: boolean;
  toggleChat: () => void;
}

export function CallControls({ snapshot, controller, chatOpen, toggleChat }: Props) {
  const { unread, ending } = snapshot;
  const hangUp = useAction(() => controller.hangUp());
  return (
    <div className="controls" role="toolbar" aria-label="Call controls">
      <MediaControls state={snapshot} media={controller.media} canFlip />
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
