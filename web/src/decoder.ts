/**
 * From a file's bytes to the restored picture.
 *
 * A file without an inlay, or with one that cannot be used, gives its base and the reason.
 */

import { coloured, luma as lumaOf } from "./colour";
import { FormatError, LimitError, UnsupportedError } from "./errors";
import { matches, signs, SUMS } from "./fingerprint";
import * as jpeg from "./formats/jpeg";
import { orientation, profile } from "./formats/metadata";
import { load, type Kernel } from "./native";
import { checkBounds } from "./network";
import { upright } from "./orientation";
import * as parameters from "./parameters";
import * as payload from "./payload";
import { decodeBase, decodeRgb, type Base, type PlaneOptions } from "./planes";
import { networkOf, prior, type PriorSource } from "./priors";
import { bands, Restorer } from "./restoration";

export { inspect, type Inlay, type Inspection } from "./inspection";

export type State = "restored" | "plain" | "stale" | "damaged" | "unsupported";

/** A decoded file. */
export interface Decoded {
  width: number;
  height: number;
  channels: 1 | 3;
  pixels: Uint8Array; // height * width * channels, as stored: before the EXIF orientation
  state: State;
  reason: string; // a sentence
  exact: boolean; // the pixels are the Python decoder's, to the last bit
  orientation: number; // EXIF's, 1 to 8
  icc: Uint8Array | null; // the profile of the pixels
}

/** priors, wasm: what is otherwise fetched from beside the script. */
export interface Options extends PlaneOptions {
  priors?: PriorSource;
  wasm?: Uint8Array;
}

/** An inlay's payload and parameters, for a base. */
export interface Opened {
  payload: payload.Payload;
  sets: parameters.Sets;
}

const STALE = "the inlay belongs to another picture (the file was changed after it was made)";

type Judged = { state: State; reason: string };

/** The restored picture, or the base.  An InlayError where the browser cannot decode the base either. */
export async function decodePixels(bytes: Uint8Array, options: Options = {}): Promise<Decoded> {
  try {
    return await decodedFrom(bytes, options);
  } catch (error) {
    if (error instanceof RangeError) throw new LimitError(`no memory for the picture: ${error.message}`); // an array could not be made
    throw error;
  }
}

async function decodedFrom(bytes: Uint8Array, options: Options): Promise<Decoded> {
  if (!jpeg.detect(bytes)) jpeg.head(bytes); // raises
  let found: jpeg.Header;
  try {
    const { segments, truncated } = jpeg.head(bytes);
    if (truncated) throw truncated;
    found = jpeg.header(segments);
  } catch (error) {
    found = { ...UNKNOWN, segments: [] };
    return described(found, await shown(bytes, found, options, judged(error))); // browsers take some files that libjpeg refuses
  }
  jpeg.checkCost(bytes, found);
  const opened = await open(found).catch(judged);
  const base = await decodeBase(bytes, found, options);
  const result = await pixelsOf(base, opened, options).catch(judged);
  // Some browsers may not hand out Y, Cb and Cr when they are told that these are R, G and B: the fingerprint tells.
  if (!("pixels" in result)) return described(found, await shown(bytes, found, options, result));
  if (base.model === "interleaved" && result.state !== "restored") return described(found, await shown(bytes, found, options, opened));
  return described(found, { base, ...result });
}

const UNKNOWN = { frame: 0, bits: 0, height: 0, width: 0, components: [], model: "unknown" };

type Result = Judged & { pixels: Uint8Array };

/** A file as the browser shows it, restored if the inlay belongs to that. */
async function shown(bytes: Uint8Array, found: jpeg.Header, options: Options, opened: payload.Payload | Judged): Promise<Result & { base: Base }> {
  const base = await decodeRgb(bytes, found);
  const result = await pixelsOf(base, opened, options).catch((error) => ({ pixels: plain(base), ...("state" in opened ? opened : judged(error)) }));
  return { base, ...result };
}

async function pixelsOf(base: Base, opened: payload.Payload | Judged, options: Options): Promise<Result> {
  const kernel = await load(options.wasm);
  return restorePlanes(kernel, base, "state" in opened ? opened : await parametersOf(opened, base, options).catch(judged));
}

function described(found: jpeg.Header, { base, ...result }: Result & { base: Base }): Decoded {
  const { width, height, exact } = base;
  const channels = base.model === "gray" ? 1 : 3;
  const stored = ["gray", "ycbcr", "rgb"].includes(found.model) ? found.segments : []; // else the browser has applied them
  return { width, height, channels, exact, orientation: orientation(stored), icc: profile(stored, channels), ...result };
}

/** The inlay, checked (FORMAT.md, section 2) but for its parameters and the fingerprint. */
async function open(found: jpeg.Header): Promise<payload.Payload | Judged> {
  const raw = jpeg.extract(found.segments);
  if (!raw) return { state: "plain", reason: "there is no inlay in this file" };
  const obstacle = jpeg.obstacle(found);
  if (obstacle) throw new UnsupportedError(`an inlay cannot apply to this file (${obstacle})`);
  return payload.read(raw, networkOf);
}

async function parametersOf(found: payload.Payload, base: Base, options: Options): Promise<Opened> {
  const start = found.prior ? await prior(found.prior, options.priors) : parameters.blankPrior(found.network);
  return { payload: found, sets: parameters.decode(start, found.coded, base.height, base.width, checkBounds) };
}

/** What an error says of an inlay. */
function judged(error: unknown): Judged {
  const reason = `${error instanceof Error ? error.message : error}; the base is shown`;
  return { state: error instanceof FormatError ? "damaged" : "unsupported", reason };
}

/** The pixels of a base, restored if there is an inlay that belongs to it. */
export function restorePlanes(kernel: Kernel, base: Base, opened: Opened | Judged): Judged & { pixels: Uint8Array } {
  const { width, height } = base;
  const luma = base.model === "rgb" ? lumaOf(kernel, base.packed, width, height) : base.luma;
  return kernel.within(() => {
    const use = "state" in opened ? null : matches(opened.payload.fingerprint, signedSums(kernel, luma)) ? opened : null;
    const restorer = use && new Restorer(kernel, use.payload.network, use.sets);
    const channels = base.model === "gray" ? 1 : 3;
    const pixels = new Uint8Array(width * height * channels);
    for (const [top, bottom] of bands(height, width)) {
      kernel.within(() => {
        const restored = restorer ? restorer.band(luma, top, bottom) : kernel.place(luma.data.subarray(top * width, bottom * width));
        const at = coloured(kernel, base, luma, restored, top, bottom);
        pixels.set(kernel.bytes(at, (bottom - top) * width * channels), top * width * channels);
      });
    }
    if ("state" in opened) return { pixels, ...opened };
    if (!use) return { pixels, state: "stale", reason: `${STALE}; the base is shown` };
    return { pixels, state: "restored", reason: "the picture was restored" };
  });
}

/** The fingerprint's sums of a luma. */
export function signedSums(kernel: Kernel, luma: { data: Uint8Array; width: number; height: number }): Float64Array {
  return kernel.within(() => {
    const { data, width, height } = luma;
    const sums = kernel.place(new Uint8Array(8 * SUMS));
    const columns = kernel.place(signs(width, 0x9e3779b9));
    for (const [top, bottom] of bands(height, width)) {
      kernel.within(() => {
        const band = kernel.place(data.subarray(top * width, bottom * width));
        const rows = kernel.place(signs(bottom - top, 0x7f4a7c15, top));
        kernel.call.inlaid_signed_sums_wasm(band, bottom - top, width, columns, rows, sums);
      });
    }
    return Float64Array.from(new BigInt64Array(kernel.bytes(sums, 8 * SUMS).slice().buffer), Number);
  });
}

/** The pixels of a base without the kernel. */
function plain(base: Base): Uint8Array {
  const { data, red } = (base as Extract<Base, { model: "rgb" }>).packed;
  const out = new Uint8Array((data.length / 4) * 3);
  for (let i = 0, k = 0; k < out.length; i += 4, k += 3) {
    out[k] = data[i + red]!;
    out[k + 1] = data[i + 1]!;
    out[k + 2] = data[i + 2 - red]!;
  }
  return out;
}

/** The upright picture, in the colours of the file's profile: `decodePixels` has the profile. */
export async function decode(bytes: Uint8Array | ArrayBuffer | Blob, options: Options = {}): Promise<ImageData> {
  const data = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes instanceof Blob ? await bytes.arrayBuffer() : bytes);
  const { width, height, channels, pixels, orientation } = await decodePixels(data, options);
  const view = upright(width, height, orientation);
  const image = new ImageData(view.width, view.height);
  for (let y = 0, to = 0; y < view.height; y++) {
    for (let x = 0; x < view.width; x++, to += 4) {
      const from = (view.origin + x * view.across + y * view.down) * channels;
      image.data[to] = pixels[from]!;
      image.data[to + 1] = pixels[from + (channels >> 1)]!;
      image.data[to + 2] = pixels[from + channels - 1]!;
      image.data[to + 3] = 255;
    }
  }
  return image;
}
