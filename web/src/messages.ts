/** What the page and the worker say to each other. */

/** Where the worker finds what it needs, for pages that carry everything themselves.  Without it the worker fetches by URL. */
export interface Assets {
  wasm: Uint8Array;
  priors: Record<number, Uint8Array>;
}

/** One file to restore: its address, or its bytes. */
export interface Source {
  url?: string;
  bytes?: Uint8Array;
  credentials?: RequestCredentials;
}

export type ToWorker = { assets: Assets } | { id: number; source: Source } | { cancel: number };

/** The states of FORMAT.md, in the words of the Python package. */
export type State = "restored" | "plain" | "stale" | "damaged" | "unsupported";

/** What came of one file. */
export interface Restored {
  state: State;
  /** A sentence. */
  reason: string;
  /** True if the pixels are those of the Python decoder, to the last bit. */
  exact: boolean;
  /** The restored picture, upright; null unless the state is `restored`. */
  png: Blob | null;
  /** Of the upright picture; 0 where nothing was decoded. */
  width: number;
  height: number;
  /** The EXIF orientation that the upright picture has followed. */
  orientation: number;
  /** Of the whole file; 0 where only its beginning was read. */
  fileBytes: number;
  inlayBytes: number;
  /** The time of decoding, without loading, in milliseconds. */
  ms: number;
}

export type FromWorker = { id: number; result: Restored } | { id: number; error: string };
