/**
 * Decoders for what arrives from the network: each turns `unknown` into a typed value or throws.
 *
 * A message's type is derived from its decoder, so that what is promised to the compiler is exactly
 * what was checked. Fields that are not named are ignored: the server may add some at any time.
 */

/** What came over the wire does not have the promised shape. `path` names the offending field. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';

  constructor(
    readonly path: string,
    expected: string,
    value: unknown,
  ) {
    super(`${path || 'message'}: expected ${expected}, got ${value === null ? 'null' : typeof value}`);
  }
}

export type Decoder<T> = (value: unknown, path: string) => T;
export type Decoded<D> = D extends Decoder<infer T> ? T : never;

/** Longest text taken from the network: an SDP answer with 40 m-lines has some 60 KB. */
const MAX_TEXT_LENGTH = 256 * 1024;
/** Most items taken from one list of the network. */
const MAX_LIST_LENGTH = 10_000;

export const text: Decoder<string> = (value, path) => {
  if (typeof value !== 'string' || value.length > MAX_TEXT_LENGTH)
    throw new DecodeError(path, 'a text', value);
  return value;
};

export const integer: Decoder<number> = (value, path) => {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw new DecodeError(path, 'an integer', value);
  }
  return value;
};

export const number: Decoder<number> = (value, path) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new DecodeError(path, 'a number', value);
  return value;
};

export const flag: Decoder<boolean> = (value, path) => {
  if (typeof value !== 'boolean') throw new DecodeError(path, 'true or false', value);
  return value;
};

/** A time of the wire (RFC 3339), as milliseconds since the epoch. */
export const instant: Decoder<number> = (value, path) => {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms)) throw new DecodeError(path, 'a time', value);
  return ms;
};

/** A calendar day of the wire (ISO 8601), such as `2026-01-31`. */
export const day: Decoder<string> = (value, path) => {
  if (typeof value !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(value) || Number.isNaN(Date.parse(value))) {
    throw new DecodeError(path, 'a day', value);
  }
  return value;
};

export function oneOf<const T extends string>(...allowed: readonly T[]): Decoder<T> {
  return (value, path) => {
    const found = allowed.find((candidate) => candidate === value);
    if (found === undefined) throw new DecodeError(path, `one of ${allowed.join(', ')}`, value);
    return found;
  };
}

export function nullable<T>(decoder: Decoder<T>): Decoder<T | null> {
  return (value, path) => (value === null || value === undefined ? null : decoder(value, path));
}

/** What is assumed of a field that is missing or null. */
export function withDefault<T>(decoder: Decoder<T>, fallback: NoInfer<T>): Decoder<T> {
  return (value, path) => (value === null || value === undefined ? fallback : decoder(value, path));
}

export function listOf<T>(decoder: Decoder<T>): Decoder<T[]> {
  return (value, path) => {
    if (!Array.isArray(value) || value.length > MAX_LIST_LENGTH) throw new DecodeError(path, 'a list', value);
    return value.map((item, index) => decoder(item, `${path}[${index}]`));
  };
}

export function mapOf<T>(decoder: Decoder<T>): Decoder<ReadonlyMap<string, T>> {
  return (value, path) =>
    new Map(Object.entries(record(value, path)).map(([key, item]) => [key, decoder(item, `${path}.${key}`)]));
}

/** An object with the given fields. A field whose decoder is `nullable` may be missing. */
export function object<F extends Record<string, Decoder<unknown>>>(
  fields: F,
): Decoder<{ [K in keyof F]: Decoded<F[K]> }> {
  return (value, path) => {
    const source = record(value, path);
    const entries = Object.entries(fields).map(([name, decoder]) => [
      name,
      decoder(source[name], path ? `${path}.${name}` : name),
    ]);
    return Object.fromEntries(entries) as { [K in keyof F]: Decoded<F[K]> };
  };
}

export function record(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DecodeError(path, 'an object', value);
  }
  return value as Record<string, unknown>;
}
