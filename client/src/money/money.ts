/** Money is integer minor units and an ISO currency everywhere; only here does it become text, and back. */

const formats = new Map<string, Intl.NumberFormat>();

function formatOf(currency: string, locale: string | undefined): Intl.NumberFormat {
  const key = `${locale ?? ''} ${currency}`;
  let format = formats.get(key);
  if (format === undefined) {
    format = new Intl.NumberFormat(locale, { style: 'currency', currency });
    formats.set(key, format);
  }
  return format;
}

function minorDigits(currency: string): number {
  return formatOf(currency, undefined).resolvedOptions().maximumFractionDigits ?? 2;
}

/** 1234 minor units of EUR as "€12.34", in the way of `locale` (the browser's unless told). */
export function formatMoney(amountMinor: number, currency: string, locale?: string): string {
  const digits = minorDigits(currency);
  const sign = amountMinor < 0 ? '-' : '';
  const units = Math.abs(amountMinor)
    .toString()
    .padStart(digits + 1, '0');
  const whole = units.slice(0, units.length - digits);
  // As a text, so that no amount ever passes through a binary fraction.
  const exact = `${sign}${whole}${digits > 0 ? `.${units.slice(-digits)}` : ''}` as `${number}`;
  return formatOf(currency, locale).format(exact);
}

/** As `formatMoney`, with a plus before what comes in: "+€50.00", "-€12.00". */
export function formatSigned(amountMinor: number, currency: string, locale?: string): string {
  return `${amountMinor > 0 ? '+' : ''}${formatMoney(amountMinor, currency, locale)}`;
}

/** For the lines of a scale: no minor units where there are none, thousands shortened: "€1.5K". */
export function formatRound(amountMinor: number, currency: string, locale?: string): string {
  const digits = minorDigits(currency);
  return new Intl.NumberFormat(locale, {
    style: 'currency',
    currency,
    notation: 'compact',
    minimumFractionDigits: 0,
    maximumFractionDigits: amountMinor % 10 ** digits === 0 ? 1 : digits,
  }).format(amountMinor / 10 ** digits);
}

/** "3.50" or "3,5" as minor units; null if it is no amount of this currency. */
export function parseMoney(input: string, currency: string): number | null {
  const match = /^(\d{1,9})(?:[.,](\d+))?$/.exec(input.trim());
  if (match === null) return null;
  const digits = minorDigits(currency);
  const [, whole = '', fraction = ''] = match;
  if (fraction.length > digits) return null;
  return Number(whole + fraction.padEnd(digits, '0'));
}

/** 1250 minor units of EUR as "12.50", for an input field. */
export function editableMoney(amountMinor: number, currency: string): string {
  const digits = minorDigits(currency);
  const units = amountMinor.toString().padStart(digits + 1, '0');
  return digits === 0 ? units : `${units.slice(0, -digits)}.${units.slice(-digits)}`;
}
