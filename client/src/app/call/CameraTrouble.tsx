import type { CameraError } from '@/services/CameraError';
import { Icon } from '../components/Icon';
import type { OwnMedia } from './OwnMedia';

/** What is wrong with the camera and what a person can do about it, step by step. */
export function CameraTrouble({ problem, media }: { problem: CameraError; media: OwnMedia }) {
  const { title, steps } = problem.advice;
  return (
    <section className="camera-trouble" role="alert">
      <h2>
        <Icon name="cameraOff" />
        {title}
      </h2>
      <ol>
        {steps.map((step) => (
          <li key={step}>{step}</li>
        ))}
      </ol>
      <div className="camera-trouble-actions">
        <button type="button" className="button button-primary" onClick={() => media.start()}>
          Try again
        </button>
        <button type="button" className="button button-quiet" onClick={() => media.dismissProblem()}>
          Go on without
        </button>
      </div>
    </section>
  );
}
