/** The metadata that a viewer must heed: the EXIF orientation and the ICC profile.  No bytes make these functions raise. */

import { begins, joined, type Segment } from "./segments";

const EXIF = "Exif\0\0";
const ICC = "ICC_PROFILE\0";

/** The EXIF orientation, 1 to 8; 1 if there is none. */
export function orientation(segments: Segment[]): number {
  const block = segments.find((s) => s.marker === 0xe1 && begins(s.body, EXIF))?.body.subarray(EXIF.length);
  if (!block || block.length < 8) return 1;
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const little = begins(block, "II");
  if (!little && !begins(block, "MM")) return 1;
  const short = (at: number) => (at + 2 <= block.length ? view.getUint16(at, little) : 0);
  const directory = view.getUint32(4, little);
  for (let i = 0, entry = directory + 2; i < short(directory) && entry + 12 <= block.length; i++, entry += 12) {
    if (short(entry) !== 0x0112) continue;
    const value = short(entry + 8); // of type SHORT
    return short(entry + 2) === 3 && value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/** The ICC profile of `channels` channels, of all its parts; null if there is none, or a part is missing. */
export function profile(segments: Segment[], channels: number): Uint8Array | null {
  const parts = segments.filter((s) => s.marker === 0xe2 && begins(s.body, ICC)).map((s) => s.body.subarray(ICC.length));
  parts.sort((a, b) => a[0]! - b[0]!);
  if (!parts.length || !parts.every((part, i) => part[0] === i + 1 && part[1] === parts.length)) return null;
  const whole = joined(parts.map((part) => part.subarray(2)));
  return begins(whole.subarray(16), channels === 1 ? "GRAY" : "RGB ") ? whole : null;
}
