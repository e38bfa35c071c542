import { SFUClient } from '@/services/SFUClient';
import { CameraService } from '@/services/CameraService';

const cameraService = new CameraService();
const sfuClient = new SFUClient('room-123', 'user-456', cameraService);

// Join as participant
await sfuClient.joinAsParticipant();

// Handle remote streams
sfuClient.onRemoteStream = (stream, userId) => {
  const videoElement = document.createElement('video');
  videoElement.srcObject = stream;
  document.getElementById('video-grid').appendChild(videoElement);
};

// Join as spectator (unlimited)
const hlsUrl = await sfuClient.joinAsSpectator();
// Use HLS player (e.g., video.js) to play the stream
