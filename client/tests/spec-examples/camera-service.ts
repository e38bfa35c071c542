import { CameraService } from '@/services/CameraService';

const cameraService = new CameraService();

// Start front camera
const stream = await cameraService.startCamera('user');

// Toggle to back camera
const backStream = await cameraService.toggleCamera();

// Capture frame for bio sign-in
const imageBlob = await cameraService.captureFrame();

// Stop camera
cameraService.stopCamera();
