/** The segments of a JPEG file up to its first scan (ISO/IEC 10918-1, T.81, annex B).  No pixel is decoded here. */

import { FormatError, LimitError } from "../errors";

export const SOI = 0xd8;
export const EOI = 0xd9;
export const SOS = 0xda;
const TEM = 0x01;
const RST0 = 0xd0;
const MAX_SEGMENTS = 100_000; // real files have some dozens

/** A marker and its parameters: from `offset`, where the marker's FF stands, to `end`.  body: the bytes after marker and length. */
export interface Segment {
  marker: number;
  offset: number;
  end: number;
  body: Uint8Array;
}

/** The file ends before what was looked for. */
export class Truncated extends FormatError {}

/**
 * The segments from SOI through the first SOS, or EOI if there is none.  Truncated if the bytes end before.
 *
 * Extra bytes before a marker are skipped as libjpeg does it.
 */
export function head(data: Uint8Array): { segments: Segment[]; truncated: Truncated | null } {
  if (data[0] !== 0xff || data[1] !== SOI) throw new FormatError(`not a JPEG file: it begins with ${hex(data, 0, 3)}, expected ff d8`);
  const segments: Segment[] = [{ marker: SOI, offset: 0, end: 2, body: data.subarray(2, 2) }];
  const cut = (sentence: string) => ({ segments, truncated: new Truncated(`truncated JPEG file: ${sentence}`) });
  for (let position = 2; segments.length <= MAX_SEGMENTS; ) {
    let offset = data.indexOf(0xff, position);
    while (offset >= 0 && (data[offset + 1] === 0 || data[offset + 1] === 0xff)) offset = data.indexOf(0xff, offset + 1);
    if (offset < 0 || offset + 1 >= data.length) {
      return cut(`it ends at byte ${data.length}, expected a marker behind byte ${position}`);
    }
    const marker = data[offset + 1]!;
    if ((TEM < marker && marker < 0xc0) || marker === SOI) {
      throw new FormatError(`damaged JPEG file: ${hex(data, offset, 4)} at byte ${offset}, expected a segment`);
    }
    const alone = marker === TEM || (RST0 <= marker && marker <= EOI);
    const length = alone ? 0 : data[offset + 2]! * 256 + data[offset + 3]!; // NaN where the file ends
    const end = offset + 2 + length;
    const name = `the segment ff ${hex(data, offset + 1, 1)} at byte ${offset}`;
    if (!(end <= data.length)) return cut(`${name} has no end`);
    if (!alone && length < 2) throw new FormatError(`damaged JPEG file: ${name} has length < 2`);
    segments.push({ marker, offset, end, body: data.subarray(alone ? end : offset + 4, end) });
    if (marker === SOS || marker === EOI) return { segments, truncated: null };
    position = end;
  }
  throw new LimitError(`the JPEG file has more than ${MAX_SEGMENTS} segments`);
}

/** True if the body begins with these characters. */
export function begins(body: Uint8Array, text: string): boolean {
  return [...text].every((character, i) => body[i] === character.charCodeAt(0));
}

/** The parts, one after another. */
export function joined(parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function hex(data: Uint8Array, from: number, count: number): string {
  const digits = Array.from(data.subarray(from, from + count), (byte) => byte.toString(16).padStart(2, "0"));
  return digits.join(" ") || "nothing";
}
