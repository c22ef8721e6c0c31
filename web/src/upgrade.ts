/**
 * The images of a page, restored where they stand.
 *
 * The CSS property `content` replaces what an `<img>` paints, and nothing else: alternative text, size, `src`, context menu and
 * "save image" stay those of the JPEG.  object-fit, radius, filters, transforms, printing and resizing work on the new picture as they did
 * on the old one, without any code here.
 */
import { restore, WorkerFailure } from "./client";
import type { Restored } from "./messages";

export interface Settings {
  /** "all" (default): every image that carries an inlay.  "opt-in": only those with `data-inlaid`, or inside such an element. */
  mode?: "all" | "opt-in";
}

/** The detail of the event `inlaid`, which an image fires when it is known what came of it. */
export interface Upgraded extends Omit<Restored, "png"> {
  /** Of the file. */
  bytes: number;
}

interface Entry {
  source: string;
  control: AbortController;
  /** True while it waits for the worker. */
  waiting: boolean;
  /** The blob's address, its bytes, and the image's inline style before; set while the restored picture is shown. */
  shown?: { url: string; bytes: number; width: number; before: string };
}

const MARGIN = "100% 50%"; // of the window: a picture is restored before it is scrolled to
const KEPT_BYTES = 256 << 20; // of restored pictures; beyond these, the ones far away show their base until they come near again
const NEVER = /\.(?:png|gif|svgz?|webp|avif|ico|bmp|jp2|jxl)$/i; // files that are no JPEG: they need no request

/** Restore the images in `root`, also those that come later.  Returns a function that ends it and shows the bases again. */
export function upgrade(root: Document | DocumentFragment | Element = document, settings: Settings = {}): () => void {
  const optIn = settings.mode === "opt-in";
  const entries = new Map<HTMLImageElement, Entry>();
  const near = new Set<HTMLImageElement>();
  const stopped = new AbortController();
  const { signal } = stopped;

  const sight = new IntersectionObserver(
    (changes) => {
      for (const { target, isIntersecting } of changes) {
        const image = target as HTMLImageElement;
        if (isIntersecting) near.add(image);
        else near.delete(image);
        if (isIntersecting) consider(image);
        else if (entries.get(image)?.waiting) drop(image); // it would be served before pictures that are in sight
      }
    },
    { rootMargin: MARGIN },
  );
  const changes = new MutationObserver((records) => {
    for (const { type, target, attributeName, addedNodes, removedNodes } of records) {
      if (type === "attributes") {
        for (const image of imagesIn(target)) if (attributeName === "data-inlaid" || !image.currentSrc) consider(image);
        continue;
      }
      for (const node of removedNodes) for (const image of imagesIn(node)) if (!image.isConnected) forget(image);
      for (const node of addedNodes) for (const image of imagesIn(node)) if (image.isConnected) sight.observe(image);
    }
  });
  const attributeFilter = ["data-inlaid", "src", "srcset"];
  changes.observe(root, { subtree: true, childList: true, attributes: true, attributeFilter });
  // A new `src`, another choice from `srcset`, a lazy image that came: each ends in one of these events.
  for (const type of ["load", "error"]) {
    root.addEventListener(type, (event) => event.target instanceof HTMLImageElement && consider(event.target), { capture: true, signal });
  }
  addEventListener("resize", () => entries.forEach((entry, image) => paint(image, entry)), { signal }); // `sizes` may give another scale
  for (const image of imagesIn(root)) sight.observe(image);
  return () => {
    stopped.abort();
    sight.disconnect();
    changes.disconnect();
    for (const image of entries.keys()) drop(image);
  };

  function allowed(image: HTMLImageElement): boolean {
    const said = image.closest("[data-inlaid]")?.getAttribute("data-inlaid");
    return said == null ? !optIn : said !== "off";
  }

  function consider(image: HTMLImageElement): void {
    const source = image.currentSrc;
    const entry = entries.get(image);
    const wanted = image.complete && image.naturalWidth > 0 && allowed(image) && readable(source);
    if (entry && wanted && entry.source === source) return;
    drop(image);
    if (!wanted || !near.has(image)) return;
    const made = { source, control: new AbortController(), waiting: true };
    entries.set(image, made);
    void work(image, made);
  }

  async function work(image: HTMLImageElement, entry: Entry): Promise<void> {
    const { signal } = entry.control;
    const credentials = image.crossOrigin === "use-credentials" ? "include" : "same-origin";
    try {
      const { png, ...result } = await restore({ url: entry.source, credentials }, signal);
      if (png && !signal.aborted) await show(image, entry, png, result.orientation);
      if (signal.aborted) return;
      if (result.state !== "plain" && result.state !== "restored") {
        warn(`${entry.source}: ${result.reason}`);
      }
      image.setAttribute("data-inlaid-state", result.state);
      image.dispatchEvent(new CustomEvent<Upgraded>("inlaid", { bubbles: true, detail: { ...result, bytes: result.fileBytes } }));
    } catch (error) {
      if (!signal.aborted) warn(error instanceof WorkerFailure ? error.message : `${entry.source}: ${(error as Error).message}; the base is shown`);
    } finally {
      entry.waiting = false;
    }
  }

  async function show(image: HTMLImageElement, entry: Entry, png: Blob, orientation: number): Promise<void> {
    const url = URL.createObjectURL(png);
    const ready = new Image();
    ready.src = url;
    try {
      await ready.decode(); // before it is shown: nothing flickers
    } catch (error) {
      URL.revokeObjectURL(url);
      throw error;
    }
    // Where the page shows pictures as they are stored, an upright one would be wrong.
    const lying = orientation !== 1 && getComputedStyle(image).imageOrientation === "none";
    if (entry.control.signal.aborted || lying) return URL.revokeObjectURL(url);
    entry.shown = { url, bytes: png.size, width: ready.naturalWidth, before: image.style.getPropertyValue("content") };
    paint(image, entry);
    release();
  }

  function drop(image: HTMLImageElement): void {
    const entry = entries.get(image);
    if (!entry) return;
    entries.delete(image);
    entry.control.abort();
    image.removeAttribute("data-inlaid-state");
    if (!entry.shown) return;
    image.style.setProperty("content", entry.shown.before);
    URL.revokeObjectURL(entry.shown.url);
  }

  function forget(image: HTMLImageElement): void {
    sight.unobserve(image);
    near.delete(image);
    drop(image);
  }

  /** Drop restored pictures that are far away, the oldest first, until the rest fits into KEPT_BYTES. */
  function release(): void {
    let kept = 0;
    for (const { shown } of entries.values()) kept += shown?.bytes ?? 0;
    for (const [image, { shown }] of [...entries]) {
      if (kept <= KEPT_BYTES) return;
      if (!shown || near.has(image)) continue;
      kept -= shown.bytes;
      drop(image);
    }
  }
}

const said = new Set<string>();

/** One line in the console, once: a worker that cannot start fails for every picture, and a page may show a picture twice. */
function warn(message: string): void {
  if (said.has(message)) return;
  said.add(message);
  console.warn(`inlaid: ${message}`);
}

/** Paint the restored picture in the image's place, at the scale that `srcset` gave to the image. */
function paint(image: HTMLImageElement, { shown }: Entry): void {
  if (!shown || !image.naturalWidth) return;
  const density = shown.width / image.naturalWidth;
  const picture = `url("${shown.url}")`;
  image.style.setProperty("content", density === 1 ? picture : `image-set(${picture} ${density}x)`);
}

function imagesIn(node: Node): Iterable<HTMLImageElement> {
  if (node instanceof HTMLImageElement) return [node];
  return node instanceof Element || node instanceof Document || node instanceof DocumentFragment ? node.querySelectorAll("img") : [];
}

/** False for files that no request is needed for: another format by name, or no address that can be fetched. */
function readable(source: string): boolean {
  if (!/^(?:https?|blob):/.test(source)) return false;
  return !NEVER.test(new URL(source).pathname);
}
