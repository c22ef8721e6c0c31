/** Where the files beside the script are, for pages that keep them elsewhere. */
import type { Assets } from "./messages";

interface Places {
  /** Addresses of the page's own origin, or of blobs. */
  worker?: string;
  compare?: string;
  /** What the worker would otherwise fetch. */
  assets?: Assets;
}

const places: Places = {};

/** Say where the files are, before the first one is needed. */
export function configure(settings: Places): void {
  Object.assign(places, settings);
}

/** The address of a file; it is made when it is asked for, since a script in a blob has nothing beside it. */
export function address(name: "worker" | "compare"): string {
  return places[name] ?? new URL(`inlaid-${name}.js`, import.meta.url).href;
}

export function assets(): Assets | undefined {
  return places.assets;
}
