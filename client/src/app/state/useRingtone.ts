import { useEffect } from 'react';

/** Two soft tones, a pause, again: rings until the component goes, or `active` does. */
const TONES_HZ = [659, 880] as const;
const TONE_S = 0.35;
const RING_EVERY_MS = 2_600;
const LOUDNESS = 0.12;

/** Browsers keep it silent until the person has touched the page once; the sheet is shown all the same. */
export function useRingtone(active: boolean): void {
  useEffect(() => {
    if (!active || typeof AudioContext === 'undefined') return;
    const context = new AudioContext();
    const ring = () => {
      for (const [index, frequency] of TONES_HZ.entries()) play(context, frequency, index * TONE_S);
    };
    ring();
    const timer = setInterval(ring, RING_EVERY_MS);
    return () => {
      clearInterval(timer);
      context.close().catch((): void => undefined);
    };
  }, [active]);
}

function play(context: AudioContext, frequency: number, delayS: number): void {
  const begin = context.currentTime + delayS;
  const oscillator = new OscillatorNode(context, { frequency });
  const gain = new GainNode(context, { gain: 0 });
  gain.gain.setTargetAtTime(LOUDNESS, begin, 0.02);
  gain.gain.setTargetAtTime(0, begin + TONE_S * 0.6, 0.08);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(begin);
  oscillator.stop(begin + TONE_S * 2);
}
