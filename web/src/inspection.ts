/** What a file's first kilobytes say: the picture's size, and whether there is an inlay.  No pixel is decoded. */

import { FormatError, InlayError, UnsupportedError } from "./errors";
import * as jpeg from "./formats/jpeg";
import { orientation } from "./formats/metadata";
import { weights, type Network } from "./network";
import * as payload from "./payload";
import { networkOf } from "./priors";

/** What the first kilobytes of a file say. */
export interface Inspection {
  format: "jpeg";
  width: number; // 0 where the bytes end before the picture's size
  height: number;
  orientation: number;
  inlay: Inlay | null;
  complete: boolean; // false if the bytes end before the first scan: what is null or 0 may come later
}

/** An inlay that was found; whether it belongs to the picture, only decoding tells. */
export interface Inlay {
  state: "present" | "damaged" | "unsupported";
  reason: string;
  bytes: number; // of the file
  payloadBytes: number;
  codedBytes: number;
  prior: number | null;
  gainDb: number | null;
  network: (Network & { weights: number }) | null;
}

/** What the first kilobytes of a file say.  FormatError if they are no JPEG file's. */
export function inspect(bytes: Uint8Array): Inspection {
  const { segments, truncated } = jpeg.head(bytes);
  let found: jpeg.Header | null = null;
  try {
    found = jpeg.header(segments);
  } catch (error) {
    if (!truncated) throw error;
  }
  const { width = 0, height = 0 } = found ?? {};
  const raw = jpeg.extract(segments);
  const inlay = raw && inlayOf(raw, jpeg.inlaySegments(segments).reduce((sum, s) => sum + s.end - s.offset, 0), found);
  return { format: "jpeg", width, height, orientation: orientation(segments), inlay, complete: !truncated };
}

function inlayOf(raw: Uint8Array, bytes: number, found: jpeg.Header | null): Inlay {
  const unread = { bytes, payloadBytes: raw.length, codedBytes: 0, prior: null, gainDb: null, network: null };
  try {
    const obstacle = found && jpeg.obstacle(found);
    if (obstacle) throw new UnsupportedError(`an inlay cannot apply to this file (${obstacle})`);
    const { coded, prior, gainDb, network } = payload.read(raw, networkOf);
    const known = { codedBytes: coded.length, prior, gainDb, network: { ...network, weights: weights(network) } };
    return { ...unread, ...known, state: "present", reason: "there is an inlay in this file" };
  } catch (error) {
    if (!(error instanceof InlayError)) throw error;
    return { ...unread, state: error instanceof FormatError ? "damaged" : "unsupported", reason: error.message };
  }
}
