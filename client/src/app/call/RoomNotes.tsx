import type { ConnectionState } from '@/services/SFUTypes';
import { ErrorNote } from '../components/ErrorNote';
import { CameraTrouble } from './CameraTrouble';
import type { OwnMedia, OwnMediaState } from './OwnMedia';

/** What is in the way in a room of many: no connection, no camera, a refusal. */
export function RoomNotes(props: {
  state: OwnMediaState & { connection: ConnectionState; failure: unknown };
  media: OwnMedia;
  retry: () => void;
}) {
  const { connection, cameraProblem, failure } = props.state;
  const waiting =
    connection === 'reconnecting'
      ? 'Your connection is gone. Getting it back…'
      : connection === 'connected' || failure !== null
        ? null
        : 'Connecting…';
  if (waiting === null && cameraProblem === null && failure === null) return null;
  return (
    <div className="battle-notes">
      {waiting !== null && (
        <p className="battle-waiting" role="status">
          {waiting}
        </p>
      )}
      {cameraProblem !== null && <CameraTrouble problem={cameraProblem} media={props.media} />}
      {failure !== null && <ErrorNote error={failure} retry={props.retry} />}
    </div>
  );
}
