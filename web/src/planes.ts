/**
 * The base's pixels, from the browser's own decoder.
 *
 * Chromium's ImageDecoder (WebCodecs) hands out the planes that the file was coded in, as libjpeg makes them.  Other decoders hand out RGB
 * pixels.  The luma of these is not the base's where colours were clipped.  So such a decoder is given the file as an RGB file: what it
 * takes for R, G and B are Y, Cb and Cr.
 */

import { FormatError, LimitError } from "./errors";
import { pixelsOnly, subsampling, type Header } from "./formats/jpeg";

/** A plane, its rows one after another. */
export interface Plane {
  data: Uint8Array;
  width: number;
  height: number;
}

/** Pixels of four bytes: red is byte `red` (0 or 2), blue byte 2 - red. */
export interface Packed {
  data: Uint8Array;
  red: 0 | 2;
}

/** A decoded base.  exact: its pixels are libjpeg's to the last bit. */
export type Base = { width: number; height: number; exact: boolean } & (
  | { model: "gray"; luma: Plane }
  | { model: "ycbcr"; luma: Plane; chroma: [Plane, Plane]; halved: [across: boolean, down: boolean] }
  | { model: "interleaved"; luma: Plane; packed: Packed } // Y, Cb, Cr at the picture's size
  | { model: "rgb"; packed: Packed }
);

const CANVAS_PX = 1 << 20;

/** What the browsers' decoders are asked for. */
export interface PlaneOptions {
  imageDecoder?: boolean; // false: not to use it, where there is one
}

/** The base, without colour conversion by profile or rotation; FormatError if the browser cannot decode it. */
export async function decodeBase(data: Uint8Array, header: Header, options: PlaneOptions = {}): Promise<Base> {
  const { model, segments } = header;
  if (!["gray", "ycbcr", "rgb"].includes(model)) return decodeRgb(data, header); // CMYK and others
  const base = options.imageDecoder === false ? null : await byImageDecoder(data, header);
  if (base) return base;
  if (model === "rgb") return decodeRgb(data, header);
  const found = await byCanvas(pixelsOnly(data, segments, model === "ycbcr"));
  const size = { width: found.width, height: found.height, exact: false, luma: lumaOf(found) };
  return model === "gray" ? { ...size, model } : { ...size, model: "interleaved", packed: found.packed };
}

/** The base in the browser's RGB. */
export async function decodeRgb(data: Uint8Array, { model, segments }: Header): Promise<Base> {
  const known = ["gray", "ycbcr", "rgb"].includes(model); // the others' colours, and their rotation, are left to the browser
  return { ...(await byCanvas(known ? pixelsOnly(data, segments, false) : data)), exact: false, model: "rgb" };
}

let onlyRgb = false; // the browser's ImageDecoder hands out no planes of the file

/** The base as ImageDecoder gives it; null if there is none, or if it gives something else than the file's samples. */
async function byImageDecoder(data: Uint8Array, header: Header): Promise<Base | null> {
  if (typeof ImageDecoder === "undefined") return null;
  const colours = header.model === "ycbcr";
  const planes = colours && onlyRgb ? null : await decodedFrame(data, header, false);
  if (planes || !colours) return planes;
  const base = await decodedFrame(data, header, true);
  onlyRgb ||= base !== null && ["1,1", "2,1", "2,2"].includes(String(subsampling(header))); // the layouts that may have planes
  return base;
}

async function decodedFrame(data: Uint8Array, header: Header, asRgb: boolean): Promise<Base | null> {
  let decoder: ImageDecoder | undefined;
  let frame: VideoFrame | undefined;
  try {
    const bytes = pixelsOnly(data, header.segments, asRgb) as BufferSource;
    decoder = new ImageDecoder({ data: bytes, type: "image/jpeg", colorSpaceConversion: "none" });
    frame = (await decoder.decode()).image;
    return await ofFrame(frame, header, asRgb);
  } catch {
    return null; // the canvas may do
  } finally {
    frame?.close();
    decoder?.close();
  }
}

async function ofFrame(frame: VideoFrame, header: Header, asRgb: boolean): Promise<Base | null> {
  const { width, height, model } = header;
  const rect = frame.visibleRect;
  if (rect?.width !== width || rect.height !== height) return null;
  const factors = { I420: [2, 2], I422: [2, 1], I444: [1, 1] }[frame.format as string];
  const red = { RGBX: 0, RGBA: 0, BGRX: 2, BGRA: 2 }[frame.format as string] as Packed["red"] | undefined;
  const expected = model === "ycbcr" && !asRgb ? String(factors) === String(subsampling(header)) : red !== undefined;
  if (!expected) return null;
  const data = new Uint8Array(frame.allocationSize());
  const layout = await frame.copyTo(data);
  const plane = (i: number, across: number, down: number): Plane => {
    const { offset, stride } = layout[i]!;
    return { data: tight(data.subarray(offset), across, stride, down), width: across, height: down };
  };
  const size = { width, height, exact: true };
  if (factors) {
    const [across, down] = [Math.ceil(width / factors[0]!), Math.ceil(height / factors[1]!)];
    const chroma: [Plane, Plane] = [plane(1, across, down), plane(2, across, down)];
    return { ...size, model: "ycbcr", luma: plane(0, width, height), chroma, halved: [factors[0] === 2, factors[1] === 2] };
  }
  const packed: Packed = { data: plane(0, 4 * width, height).data, red: red! };
  if (model === "rgb") return { ...size, model, packed };
  const luma = lumaOf({ width, height, packed });
  return model === "gray" ? { ...size, model, luma } : { ...size, model: "interleaved", luma, packed };
}

/** The pixels of a file by way of a canvas. */
async function byCanvas(bytes: Uint8Array): Promise<{ width: number; height: number; packed: Packed }> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(new Blob([bytes as BlobPart], { type: "image/jpeg" }), { colorSpaceConversion: "none" });
  } catch (error) {
    throw new FormatError(`cannot decode this JPEG file: ${(error as Error).message}`);
  }
  const { width, height } = bitmap;
  try {
    const data = new Uint8Array(4 * width * height);
    const rows = Math.min(height, Math.ceil(CANVAS_PX / width)); // the picture goes through a small canvas: browsers limit its size
    const context = canvas(width, rows).getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D | null;
    if (!context) throw new LimitError(`no canvas of ${width}x${rows} pixels`);
    for (let top = 0; top < height; top += rows) {
      context.drawImage(bitmap, 0, -top);
      data.set(context.getImageData(0, 0, width, Math.min(rows, height - top)).data, 4 * width * top);
    }
    return { width, height, packed: { data, red: 0 } };
  } finally {
    bitmap.close();
  }
}

function canvas(width: number, height: number): OffscreenCanvas | HTMLCanvasElement {
  if (typeof OffscreenCanvas !== "undefined") return new OffscreenCanvas(width, height);
  return Object.assign(document.createElement("canvas"), { width, height });
}

/** The rows of `width` bytes, without what is between them. */
function tight(data: Uint8Array, width: number, stride: number, rows: number): Uint8Array {
  for (let y = 1; y < rows && stride !== width; y++) data.copyWithin(y * width, y * stride, y * stride + width);
  return data.subarray(0, width * rows);
}

/** The luma of a gray picture, or of one whose R, G and B are Y, Cb and Cr. */
function lumaOf({ width, height, packed }: { width: number; height: number; packed: Packed }): Plane {
  const data = new Uint8Array(width * height);
  for (let i = 0, from: number = packed.red; i < data.length; i++, from += 4) data[i] = packed.data[from]!;
  return { data, width, height };
}
