/**
 * JPEG files that carry a tiny neural network, restored in the browser.
 *
 * Loaded by a script tag, this module upgrades the page by itself: `<script type="module" src="inlaid.js"></script>`.  The tag's attribute
 * `data-inlaid-mode` says which images: `all` (default), `opt-in`, or `off`.  Imported by another module, it does nothing by itself.
 *
 * It is small.  The decoder and `<inlaid-compare>` are files of their own beside it, loaded when they are needed.
 */
import { address } from "./addresses";
import { restore } from "./client";
import type { Decoded, Inspection } from "./decoder";
import { upgrade } from "./upgrade";
import type * as decoder from "./worker";

export { configure } from "./addresses";
export { restore } from "./client";
export type { Decoded, Inspection, Options } from "./decoder";
export type { Assets, Restored, Source, State } from "./messages";
export { upgrade } from "./upgrade";
export type { Settings, Upgraded } from "./upgrade";

/** The upright picture, restored where it can be, decoded in this thread.  `restore` does it in the worker. */
export async function decode(...given: Parameters<typeof decoder.decode>): Promise<ImageData> {
  return (await loaded()).decode(...given);
}

/** The pixels as they are stored, with the state of the inlay. */
export async function decodePixels(...given: Parameters<typeof decoder.decodePixels>): Promise<Decoded> {
  return (await loaded()).decodePixels(...given);
}

/** What is inside a file, by its first kilobytes. */
export async function inspect(bytes: Uint8Array): Promise<Inspection> {
  return (await loaded()).inspect(bytes);
}

/** Define `<inlaid-compare>`.  A page with the script tag does it by itself as soon as it holds such an element. */
export async function defineCompare(): Promise<void> {
  compare ??= import(/* @vite-ignore */ address("compare"));
  (await compare).define(restore);
}

let compare: Promise<typeof import("./compare")> | undefined;

function loaded(): Promise<typeof decoder> {
  return import(/* @vite-ignore */ address("worker"));
}

const tag = typeof document === "undefined" ? null : Array.from(document.scripts).find((script) => script.src === import.meta.url);
const mode = tag?.dataset.inlaidMode ?? "all";
if (tag && mode !== "off") upgrade(document, { mode: mode === "opt-in" ? "opt-in" : "all" });
if (tag) {
  const seen = new MutationObserver(look);
  seen.observe(document, { childList: true, subtree: true });
  function look(): void {
    if (!document.querySelector("inlaid-compare")) return;
    seen.disconnect();
    void defineCompare();
  }
  look();
}
