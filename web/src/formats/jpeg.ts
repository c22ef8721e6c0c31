/** JPEG as a container (FORMAT.md, section 1): what a file says before its first scan, the payload in APP9 segments among it. */

import { FormatError, LimitError } from "../errors";
import { begins, head, joined, EOI, SOS, type Segment } from "./segments";

const IDENTIFIER = "inlay\0";
const SOF_LS = 0xf7;
const MAX_PIXELS = 178_956_970; // as the Python decoder's default
const MAX_SCANS = 500; // some ten are usual; each costs a pass over the picture, and next to no bytes

/** A component of the frame: its identifier and its sampling factors. */
interface Component {
  id: number;
  h: number;
  v: number;
}

/** What a file says before its first scan. */
export interface Header {
  segments: Segment[];
  frame: number; // the marker
  bits: number;
  height: number; // 0: given later, by DNL
  width: number;
  components: Component[];
  model: "gray" | "ycbcr" | "rgb" | string; // or "cmyk", "2 components" and so on
}

/** True if `data` begins like a JPEG file. */
export function detect(data: Uint8Array): boolean {
  return begins(data, "\xff\xd8");
}

/** The segments before the first scan that carry the payload. */
export function inlaySegments(segments: Segment[]): Segment[] {
  return segments.filter((s) => s.marker === 0xe9 && begins(s.body, IDENTIFIER));
}

/** The payload, or null if there is none. */
export function extract(segments: Segment[]): Uint8Array | null {
  const ours = inlaySegments(segments);
  return ours.length ? joined(ours.map((s) => s.body.subarray(IDENTIFIER.length))) : null;
}

/** The header, from the segments of `head`; FormatError if there is no picture, or a frame header that T.81 does not allow. */
export function header(segments: Segment[]): Header {
  const frames = segments.filter((s) => isFrame(s.marker));
  const damaged = (found: string) => new FormatError(`damaged JPEG file: ${found}`);
  if (frames.length !== 1) throw damaged(`${frames.length} frame headers before the first scan, expected 1`);
  const { marker, body } = frames[0]!;
  if (body.length < 9 || body.length !== 6 + 3 * body[5]!) {
    throw damaged(`a frame header of ${body.length} bytes, expected 6 + 3 per component`);
  }
  const components = Array.from({ length: body[5]! }, (_, i) => {
    const [id, factors] = [body[6 + 3 * i]!, body[7 + 3 * i]!];
    return { id, h: factors >> 4, v: factors & 15 };
  });
  const [height, width] = [body[1]! * 256 + body[2]!, body[3]! * 256 + body[4]!];
  if (width === 0) throw damaged("the picture is 0 pixels wide");
  if (!components.every(({ h, v }) => h >= 1 && h <= 4 && v >= 1 && v <= 4)) throw damaged("a sampling factor is outside 1..4");
  return { segments, frame: marker, bits: body[0]!, height, width, components, model: colourModel(segments, components) };
}

function isFrame(marker: number): boolean {
  return (marker >= 0xc0 && marker < 0xd0 && ![0xc4, 0xc8, 0xcc].includes(marker)) || marker === SOF_LS;
}

/** As libjpeg decides it. */
function colourModel(segments: Segment[], components: Component[]): string {
  if (components.length !== 3) return { 1: "gray", 4: "cmyk" }[components.length] ?? `${components.length} components`;
  if (segments.some((s) => s.marker === 0xe0 && s.body.length >= 14 && begins(s.body, "JFIF\0"))) return "ycbcr";
  const adobe = segments.filter((s) => s.marker === 0xee && s.body.length >= 12 && begins(s.body, "Adobe")).at(-1);
  if (adobe) return adobe.body[11] ? "ycbcr" : "rgb";
  return String.fromCharCode(...components.map((c) => c.id)) === "RGB" ? "rgb" : "ycbcr";
}

/** What makes this valid file something other than 8-bit DCT of gray, YCbCr or RGB; null if nothing does. */
export function obstacle({ segments, frame, bits, height, components, model }: Header): string | null {
  if (frame === SOF_LS) return "JPEG-LS";
  if ((frame & 3) === 3) return "lossless";
  if (isArithmetic(frame)) return "arithmetic coding";
  if (frame & 4 || segments.some((s) => s.marker === 0xde)) return "hierarchical";
  if (bits !== 8) return `${bits}-bit samples`;
  if (!["gray", "ycbcr", "rgb"].includes(model)) return model.replace("cmyk", "CMYK");
  if (height === 0) return "height given after the first scan (DNL)";
  const [mostH, mostV] = most(components);
  return components.some(({ h, v }) => mostH % h || mostV % v) ? "fractional subsampling" : null;
}

function isArithmetic(frame: number): boolean {
  return frame > 0xc8 && frame < 0xd0;
}

function most(components: Component[]): [number, number] {
  return [Math.max(...components.map((c) => c.h)), Math.max(...components.map((c) => c.v))];
}

/** How many luma samples there are for a chroma sample, across and down; null where the two chromas differ, or the luma is not the finest. */
export function subsampling({ components }: Header): [number, number] | null {
  const [y, cb, cr] = components;
  if (!y || !cb || !cr || cb.h !== cr.h || cb.v !== cr.v) return null;
  return y.h % cb.h || y.v % cb.v ? null : [y.h / cb.h, y.v / cb.v];
}

/** Refuses, before any pixel is decoded, what is out of proportion to the file. */
export function checkCost(data: Uint8Array, { segments, frame, height, width, components }: Header): void {
  const size = `${width}x${height} pixels`;
  if (width * height > MAX_PIXELS) throw new LimitError(`${size}; at most ${MAX_PIXELS} are allowed`);
  const begin = segments.at(-1)!.end;
  const [mostH, mostV] = most(components);
  const blocks = Math.ceil((width * components[0]!.h) / (8 * mostH)) * Math.ceil((height * components[0]!.v) / (8 * mostV));
  if (!isArithmetic(frame) && blocks > 8 * (data.length - begin)) {
    throw new FormatError(`${size} need at least ${blocks >> 3} bytes; the JPEG file has ${data.length - begin} behind its header`);
  }
  let scans = 0;
  for (let at = data.indexOf(0xff, begin); at >= 0 && data[at + 1] !== EOI; at = data.indexOf(0xff, at + 1)) {
    if (data[at + 1] === SOS) scans++;
  }
  if (scans >= MAX_SCANS) throw new LimitError(`the JPEG file has more than ${MAX_SCANS} scans`);
}

/**
 * The file without the segments that say how to show its pixels, and without a payload: no colour conversion by profile, no rotation.
 *
 * asRgb: with a segment that calls the components R, G and B, in place of those that say the colour model.  A decoder then converts
 * nothing: it hands out Y, Cb and Cr.
 */
export function pixelsOnly(data: Uint8Array, segments: Segment[], asRgb: boolean): Uint8Array {
  const needed = ({ marker }: Segment) => (marker < 0xe0 || marker > 0xef ? marker !== 0xfe : !asRgb && (marker === 0xe0 || marker === 0xee));
  const [first, ...others] = segments.filter(needed).map((s) => data.subarray(s.offset, s.end));
  const adobe = Uint8Array.of(0xff, 0xee, 0, 14, 65, 100, 111, 98, 101, 0, 100, 0, 0, 0, 0, 0); // transform 0
  return joined([first!, ...(asRgb ? [adobe] : []), ...others, data.subarray(segments.at(-1)!.end)]);
}

export { head };
