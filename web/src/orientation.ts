/** EXIF orientations: where the pixels of the upright picture are in the stored one. */

/** The upright picture's size; its pixel (x, y) is the stored pixel number origin + x * across + y * down. */
export interface Upright {
  width: number;
  height: number;
  origin: number;
  across: number;
  down: number;
}

/** The upright view of a stored picture of this size, for an orientation of 1 to 8 (CIPA DC-008, tag 0x0112). */
export function upright(width: number, height: number, orientation: number): Upright {
  const turned = orientation > 4;
  const mirrored = [2, 3, 7, 8].includes(orientation); // the stored picture's columns run backwards along their upright axis
  const flipped = [3, 4, 6, 7].includes(orientation);
  const column = mirrored ? -1 : 1;
  const row = flipped ? -width : width;
  const origin = (mirrored ? width - 1 : 0) + (flipped ? (height - 1) * width : 0);
  return turned
    ? { width: height, height: width, origin, across: row, down: column }
    : { width, height, origin, across: column, down: row };
}
