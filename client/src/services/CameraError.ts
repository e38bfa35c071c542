export type CameraProblem =
  | 'insecure-context'
  | 'unsupported'
  | 'permission-denied'
  | 'no-camera'
  | 'no-microphone'
  | 'in-use'
  | 'constraints'
  | 'interrupted'
  | 'not-started'
  | 'unknown';

/** The camera or microphone cannot be had. `problem` is for the program, `advice` for the person. */
export class CameraError extends Error {
  override readonly name = 'CameraError';

  constructor(
    readonly problem: CameraProblem,
    options?: ErrorOptions,
  ) {
    super(ADVICE[problem].title, options);
  }

  get advice(): CameraAdvice {
    return ADVICE[this.problem];
  }

  /** What a rejection of `getUserMedia` means. Names: Media Capture and Streams, section 10.2. */
  static from(error: unknown): CameraError {
    if (error instanceof CameraError) return error;
    const name = error instanceof Error || error instanceof DOMException ? error.name : '';
    return new CameraError(PROBLEM_BY_NAME[name] ?? 'unknown', { cause: error });
  }
}

const PROBLEM_BY_NAME: Readonly<Record<string, CameraProblem>> = {
  NotAllowedError: 'permission-denied',
  SecurityError: 'permission-denied',
  NotFoundError: 'no-camera',
  NotReadableError: 'in-use',
  AbortError: 'in-use',
  OverconstrainedError: 'constraints',
  TypeError: 'unsupported',
};

export interface CameraAdvice {
  title: string;
  steps: readonly string[];
}

const ADVICE: Readonly<Record<CameraProblem, CameraAdvice>> = {
  'insecure-context': {
    title: 'Your camera only works over a secure connection',
    steps: [
      'Check that the address of this page begins with https://',
      'Open the page again with https:// and allow the camera when asked.',
    ],
  },
  unsupported: {
    title: 'This browser cannot make video calls',
    steps: ['Open this page in a current version of Chrome, Safari, Firefox or Edge.'],
  },
  'permission-denied': {
    title: 'Your camera or microphone is blocked',
    steps: [
      'Tap the lock or camera sign next to the address, and allow camera and microphone.',
      'On a phone, also check Settings, then your browser, then Camera and Microphone.',
      'Then try again.',
    ],
  },
  'no-camera': {
    title: 'No camera was found',
    steps: [
      'Plug in a camera, or switch on the one built in.',
      'If there is a privacy shutter or key, open it.',
    ],
  },
  'no-microphone': {
    title: 'No microphone was found',
    steps: ['Plug in a microphone or headset, then try again.'],
  },
  'in-use': {
    title: 'Your camera is busy',
    steps: [
      'Close other apps and tabs that may be using it, such as a meeting.',
      'If that does not help, unplug the camera or restart the device.',
    ],
  },
  constraints: {
    title: 'Your camera has no picture we can use',
    steps: ['Choose another camera in the settings of your browser, then try again.'],
  },
  interrupted: {
    title: 'Your camera was switched off',
    steps: ['It was unplugged, or taken by another app. Check it, then try again.'],
  },
  'not-started': { title: 'The camera is not started yet', steps: ['Start the camera first.'] },
  unknown: {
    title: 'Your camera did not start',
    steps: ['Try again. If it keeps failing, restart the browser.'],
  },
};
