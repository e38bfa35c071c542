import { PrivateCallClient } from '@/services/PrivateCallClient';
import { CameraService } from '@/services/CameraService';

const cameraService = new CameraService();
const privateCallClient = new PrivateCallClient('room-123', 'user-456', cameraService);

// Attach video/audio elements
const videoEl = document.getElementById('remote-video') as HTMLVideoElement;
const audioEl = document.getElementById('remote-audio') as HTMLAudioElement;
privateCallClient.attachStreamElements(videoEl, audioEl);

// Start the call
await privateCallClient.joinAsParticipant();

// Automatic handling of termination signals
// User sees black screen, muted audio, and redirect on payment failure
