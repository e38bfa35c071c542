import { expect, it } from 'vitest';
import { formatRound, formatSigned } from '@/money/money';
import { endingInWords, kindInWords, momentInWords, sourceInWords } from '@/money/words';

it('what the books name is told in words', () => {
  expect(kindInWords('top_up')).toBe('Added by card');
  expect(sourceInWords('call')).toBe('Private calls');
  expect(momentInWords('PAUSED')).toMatch(/meter stopped/);
});

it('a name of a newer server is told as it is', () => {
  expect(kindInWords('some_new_kind')).toBe('Some new kind');
});

it('who hung up depends on who asks', () => {
  expect(endingInWords('PAYER_ENDED', false, 'Mia')).toBe('You hung up');
  expect(endingInWords('PAYER_ENDED', true, 'Leo')).toBe('Leo hung up');
  expect(endingInWords('HOST_ENDED', false, 'Mia')).toBe('Mia hung up');
  expect(endingInWords('TIME_EXPIRED', true, 'Leo')).toBe('The balance was used up');
});

it('what comes in has a plus, what goes out a minus', () => {
  expect(formatSigned(5_000, 'EUR', 'en')).toBe('+€50.00');
  expect(formatSigned(-1_200, 'EUR', 'en')).toBe('-€12.00');
  expect(formatSigned(0, 'EUR', 'en')).toBe('€0.00');
});

it.each([
  [0, 'EUR', '€0'],
  [5_000, 'EUR', '€50'],
  [150_000, 'EUR', '€1.5K'],
  [25, 'EUR', '€0.25'],
  [1_500, 'JPY', '¥1.5K'],
])('%d %s on a scale is %s', (amount, currency, text) => {
  expect(formatRound(amount, currency, 'en')).toBe(text);
});
