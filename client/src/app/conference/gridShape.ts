/** Faces are cut to no narrower and no wider than this by their tile: as much of the tile counts as seen. */
const FACE_ASPECT = 4 / 3;
/** Space between tiles, in CSS pixels. */
const GAP_PX = 8;

/** In how many columns so many equal tiles fill an area of this size (CSS pixels) best: the largest faces win. */
export function gridColumns(tiles: number, width: number, height: number): number {
  let [best, bestArea] = [1, -1];
  for (let columns = 1; columns <= Math.max(tiles, 1); columns++) {
    const rows = Math.ceil(tiles / columns);
    const tileWidth = (width - GAP_PX * (columns - 1)) / columns;
    const tileHeight = (height - GAP_PX * (rows - 1)) / rows;
    const faceWidth = Math.min(tileWidth, tileHeight * FACE_ASPECT);
    const area = faceWidth <= 0 ? 0 : faceWidth ** 2;
    if (area > bestArea) [best, bestArea] = [columns, area];
  }
  return best;
}

/** From so many others on faces are small, and whoever speaks is shown first. */
export const MANY = 6;

/**
 * At which place of the grid everybody is shown: `others` in their order, then oneself. Where there are many, whoever
 * spoke last changes places with the first, so that nobody else moves; where there are few, oneself is first.
 */
export function places(
  others: readonly string[],
  spokeLast: string | null,
): { others: number[]; own: number } {
  if (others.length < MANY) return { others: others.map((_, index) => index + 1), own: 0 };
  const speaker = spokeLast === null ? -1 : others.indexOf(spokeLast);
  const placed = others.map((_, index) => index);
  if (speaker > 0) [placed[0], placed[speaker]] = [speaker, 0];
  return { others: placed, own: others.length };
}

/**
 * Where the tile at `index` begins, in half columns from 1, if it must be said: the first of a last row that is not
 * full, so that the row stands in the middle.
 */
export function gridStart(index: number, tiles: number, columns: number): number | undefined {
  const inLastRow = tiles % columns;
  return inLastRow > 0 && index === tiles - inLastRow ? 1 + columns - inLastRow : undefined;
}
