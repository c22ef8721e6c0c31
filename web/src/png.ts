/**
 * A decoded picture as a PNG file, upright, its bytes stored as they are: compressing them would take longer than all the rest.
 *
 *   file          signature, IHDR, iCCP if there is a profile, IDAT for each band of rows, IEND
 *   chunk         length[4] type[4] data crc[4]
 *   zlib stream   78 01, blocks of at most 65535 bytes, Adler-32[4]
 *   stored block  last[1] length[2] ~length[2] data
 *   row           filter 0, pixels
 */

import type { Decoded } from "./decoder";
import { upright } from "./orientation";

const BAND_BYTES = 1 << 20;
const BLOCK_BYTES = 65535;

/** The PNG file. */
export function png(decoded: Decoded): Blob {
  const { channels, pixels, icc } = decoded;
  const view = upright(decoded.width, decoded.height, decoded.orientation);
  const rowBytes = 1 + view.width * channels;
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, view.width);
  header.setUint32(4, view.height);
  header.setUint16(8, 0x0800 + (channels === 1 ? 0 : 2)); // 8 bits, gray or RGB
  const parts: BlobPart[] = [Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10), chunk("IHDR", new Uint8Array(header.buffer))];
  if (icc) {
    const name = Uint8Array.of(105, 99, 99, 0, 0); // "icc", NUL, compression 0
    const [blocks, adler] = stored(icc, 1, true);
    parts.push(chunk("iCCP", name, Uint8Array.of(0x78, 1), ...blocks, big(adler)));
  }
  const step = Math.max(1, Math.floor(BAND_BYTES / rowBytes));
  let adler = 1;
  for (let top = 0; top < view.height; top += step) {
    const bottom = Math.min(view.height, top + step);
    const raw = new Uint8Array((bottom - top) * rowBytes);
    for (let y = top, to = 0; y < bottom; y++) to = writeRow(raw, to + 1, y);
    const last = bottom === view.height;
    const [blocks, sum] = stored(raw, adler, last);
    adler = sum;
    const data = [...(top ? [] : [Uint8Array.of(0x78, 1)]), ...blocks, ...(last ? [big(adler)] : [])];
    parts.push(new Blob([chunk("IDAT", ...data)])); // a blob's bytes need not stay in the page's memory
  }
  return new Blob([...parts, chunk("IEND")], { type: "image/png" });

  /** Writes row y of the upright picture, and returns where it ends. */
  function writeRow(raw: Uint8Array, to: number, y: number): number {
    const start = view.origin + y * view.down;
    if (view.across === 1) {
      raw.set(pixels.subarray(start * channels, (start + view.width) * channels), to);
      return to + view.width * channels;
    }
    for (let x = 0, from = start * channels; x < view.width; x++, from += view.across * channels) {
      for (let k = 0; k < channels; k++) raw[to++] = pixels[from + k]!;
    }
    return to;
  }
}

/** `data` in stored blocks, and the Adler-32 that goes on from `adler`. */
function stored(data: Uint8Array, adler: number, last: boolean): [Uint8Array[], number] {
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    const part = data.subarray(at, at + BLOCK_BYTES);
    const [low, high] = [part.length & 255, part.length >> 8];
    blocks.push(Uint8Array.of(+(last && at + BLOCK_BYTES >= data.length), low, high, low ^ 255, high ^ 255), part);
  }
  let a = adler & 0xffff;
  let b = adler >>> 16;
  for (let at = 0; at < data.length; ) {
    const end = Math.min(data.length, at + 5552); // the most bytes for which b fits 32 bits
    while (at < end) b += a += data[at++]!;
    a %= 65521;
    b %= 65521;
  }
  return [blocks, b * 65536 + a];
}

function chunk(type: string, ...data: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = data.reduce((sum, part) => sum + part.length, 0);
  const out = new Uint8Array(length + 12);
  out.set(big(length));
  for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i);
  let at = 8;
  for (const part of data) {
    out.set(part, at);
    at += part.length;
  }
  out.set(big(crc32(out.subarray(4, at))), at);
  return out;
}

function big(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** tables[k][byte]: the CRC-32 of a byte that k zeros follow.  Four bytes are looked up together. */
const tables = Array.from({ length: 4 }, () => new Int32Array(256));
for (let n = 0; n < 256; n++) {
  let crc = n;
  for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  tables[0]![n] = crc;
}
for (let k = 1; k < 4; k++) {
  tables[k]!.forEach((_, n) => (tables[k]![n] = (tables[k - 1]![n]! >>> 8) ^ tables[0]![tables[k - 1]![n]! & 255]!));
}

function crc32(data: Uint8Array): number {
  const [t0, t1, t2, t3] = tables as [Int32Array, Int32Array, Int32Array, Int32Array];
  let crc = -1;
  let i = 0;
  for (; i + 4 <= data.length; i += 4) {
    crc ^= data[i]! | (data[i + 1]! << 8) | (data[i + 2]! << 16) | (data[i + 3]! << 24);
    crc = t3[crc & 255]! ^ t2[(crc >>> 8) & 255]! ^ t1[(crc >>> 16) & 255]! ^ t0[crc >>> 24]!;
  }
  for (; i < data.length; i++) crc = (crc >>> 8) ^ t0[(crc ^ data[i]!) & 255]!;
  return ~crc >>> 0;
}
