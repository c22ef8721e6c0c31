/** The fingerprint of a decoded base luma (FORMAT.md, section 4): does a payload belong to a picture? */

export const SUMS = 12;
const MODULUS = 16; // a sum takes 4 bits
const TOLERANCE = 18.75; // the largest sum of squared changes of the same picture, in units^2

/** unit: a byte, the code of the sums' unit.  sums: SUMS numbers 0..15, in units, modulo 16. */
export interface Fingerprint {
  unit: number;
  sums: number[];
}

/** True if a luma with these signed sums is the fingerprinted picture, up to the rounding of another decoder. */
export function matches(fingerprint: Fingerprint, signedSums: ArrayLike<number>): boolean {
  return distance(fingerprint, signedSums) <= TOLERANCE;
}

/** The sum of the squared changes of the sums, in units^2.  Doubles hold all its integers: a signed sum is below 2^41. */
export function distance({ unit, sums }: Fingerprint, signedSums: ArrayLike<number>): number {
  const size = unitSize(unit);
  const turn = MODULUS * size;
  let total = 0;
  for (let k = 0; k < SUMS; k++) {
    const ahead = (signedSums[k]! - sums[k]! * size + turn / 2) % turn;
    const change = (ahead < 0 ? ahead + turn : ahead) - turn / 2;
    total += change * change;
  }
  return total / (size * size);
}

/** +1 or -1 for the positions from `first` on, a row for each sum: each a bit of a hash (the 32-bit finaliser of MurmurHash3). */
export function signs(count: number, salt: number, first = 0): Int8Array {
  const all = new Int8Array(SUMS * count);
  for (let i = 0; i < count; i++) {
    let h = (first + i) ^ salt;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= h >>> 16;
    for (let k = 0; k < SUMS; k++) all[k * count + i] = 1 - 2 * ((h >>> k) & 1);
  }
  return all;
}

/** The unit that a byte stands for: four bits of exponent, then four of mantissa. */
export function unitSize(code: number): number {
  return ((16 + (code & 15)) << (code >> 4)) >> 4;
}
