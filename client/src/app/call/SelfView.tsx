import { useEffect, useRef } from 'react';
import { Icon } from '../components/Icon';

/** Oneself, small, and mirrored as in a mirror when it is the front camera. */
export function SelfView(props: { stream: MediaStream | null; mirrored: boolean; waiting?: boolean }) {
  const video = useRef<HTMLVideoElement>(null);
  const { stream } = props;
  useEffect(() => {
    const element = video.current;
    if (element === null) return;
    element.srcObject = stream;
    if (stream !== null) element.play()?.catch((): void => undefined);
    return () => {
      element.srcObject = null;
    };
  }, [stream]);
  return (
    <div className="self-view" data-empty={stream === null || undefined}>
      <video
        ref={video}
        id="local-video"
        className={props.mirrored ? 'mirrored' : ''}
        muted
        playsInline
        autoPlay
        aria-label="Your own picture"
      />
      {stream === null && (
        <span className="self-view-off">
          <Icon name="cameraOff" />
          {props.waiting ? 'Starting camera' : 'Camera off'}
        </span>
      )}
    </div>
  );
}
