/** What a site that embeds Curtaincall works with. */
export { CameraError } from './CameraError';
export { CameraService } from './CameraService';
export { PrivateCallClient } from './PrivateCallClient';
export { SFUClient } from './SFUClient';
