/** Line drawings on a grid of 24, drawn for this app. */
const DRAWINGS = {
  alert: 'M12 4 2.8 20h18.4L12 4Zm0 6v4.5M12 17.2v.3',
  back: 'M19 12H5m0 0 6-6m-6 6 6 6',
  camera:
    'M3 7.5A1.5 1.5 0 0 1 4.5 6h9A1.5 1.5 0 0 1 15 7.5v9a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 3 16.5v-9Zm12 3 6-3.5v10l-6-3.5',
  cameraOff:
    'M9 6h4.5A1.5 1.5 0 0 1 15 7.5v3l6-3.5v10l-3.5-2M15 15v1.5a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 3 16.5v-9A1.5 1.5 0 0 1 4.5 6M3 3l18 18',
  card: 'M3 7a2 2 0 0 1 2-2h14a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V7Zm0 3h18M6.5 15h4',
  chat: 'M4 6a2 2 0 0 1 2-2h12a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-6l-5 4v-4H6a2 2 0 0 1-2-2V6Z',
  check: 'm5 12.5 4.5 4.5L19 7.5',
  clock: 'M12 7.5V12l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z',
  close: 'M6 6l12 12M18 6 6 18',
  flip: 'M4 9.5A8 8 0 0 1 18.5 7.5M20 4v4h-4M20 14.5A8 8 0 0 1 5.5 16.5M4 20v-4h4',
  hangUp:
    'M3.5 14.5c-.8-.8-.9-2.1-.1-3C5.4 9.2 8.5 8 12 8s6.6 1.2 8.6 3.5c.8.9.7 2.2-.1 3l-.9.9c-.5.5-1.3.6-1.9.2l-2.2-1.4a1.5 1.5 0 0 1-.7-1.3v-1.4a11 11 0 0 0-5.6 0v1.4c0 .5-.3 1-.7 1.3l-2.2 1.4c-.6.4-1.4.3-1.9-.2l-.9-.9Z',
  info: 'M12 11v5.5M12 7.5v.3M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z',
  leave: 'M14 4h4a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2h-4M10 16l-4-4m0 0 4-4m-4 4h10',
  mic: 'M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3ZM5.5 11a6.5 6.5 0 0 0 13 0M12 17.5V21',
  micOff:
    'M15 11V6a3 3 0 0 0-5.8-1M9 9v2a3 3 0 0 0 4.5 2.6M5.5 11a6.5 6.5 0 0 0 10.5 5.1M18.5 11a6.5 6.5 0 0 1-.5 2.5M12 17.5V21M3 3l18 18',
  models:
    'M8.5 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 19.5a6 6 0 0 1 12 0M16 4.3a3.5 3.5 0 0 1 0 6.4M18 13.9a6 6 0 0 1 3.5 5.6',
  phone:
    'M6.5 3.5h2.6l1.5 4-2 1.6a11 11 0 0 0 6.3 6.3l1.6-2 4 1.5v2.6c0 1.1-.9 2-2 2A15 15 0 0 1 4.5 5.5c0-1.1.9-2 2-2Z',
  plus: 'M12 5v14M5 12h14',
  send: 'M4 12 20 4l-5 16-3.5-6.5L4 12Z',
  studio:
    'M4 7h8M18 7h2M4 17h2M12 17h8M15 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM9 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z',
  wallet:
    'M4 8V6.5A2.5 2.5 0 0 1 6.5 4H17v4M4 8h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H6.5A2.5 2.5 0 0 1 4 17.5V8Zm12 6.2v-.4',
} as const;

export type IconName = keyof typeof DRAWINGS;

/** Always beside a text or in a labelled button, so it is hidden from screen readers. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={DRAWINGS[name]} />
    </svg>
  );
}
