/**
 * The worker: it loads a file, restores it and answers with a PNG.
 *
 * A worker of its own keeps every loop over pixels away from the page.  It fetches by itself, so that no bytes pass through the page.
 * The decoder stands in this file alone.  A page that calls `decode` imports it, too; there it answers no messages.
 */
import { decodePixels, inspect } from "./decoder";
import { load } from "./loading";
import type { Assets, FromWorker, Restored, Source, ToWorker } from "./messages";
import { png } from "./png";

export { decode, decodePixels, inspect } from "./decoder";

const running = new Map<number, AbortController>();
let assets: Assets | undefined;

if (typeof importScripts === "function") {
  addEventListener("message", (event: MessageEvent<ToWorker>) => {
    const message = event.data;
    if ("assets" in message) assets = message.assets;
    else if ("cancel" in message) running.get(message.cancel)?.abort();
    else void answer(message.id, message.source);
  });
}

declare const importScripts: unknown; // workers have it, pages and Node do not

async function answer(id: number, source: Source): Promise<void> {
  const control = new AbortController();
  running.set(id, control);
  try {
    post({ id, result: await restored(source, control.signal) });
  } catch (error) {
    post({ id, error: error instanceof Error ? error.message : String(error) });
  } finally {
    running.delete(id);
  }
}

function post(message: FromWorker): void {
  postMessage(message);
}

async function restored(source: Source, signal: AbortSignal): Promise<Restored> {
  const bytes = source.bytes ?? (await load(source.url!, mayCarry, signal, source.credentials));
  const nothing = { exact: false, png: null, width: 0, height: 0, orientation: 1, fileBytes: bytes?.length ?? 0, inlayBytes: 0, ms: 0 };
  if (!bytes || mayCarry(bytes) === false) return { state: "plain", reason: "there is no inlay in this file", ...nothing };
  const inlayBytes = inspect(bytes).inlay?.bytes ?? 0;
  const begun = performance.now();
  const decoded = await decodePixels(bytes, assets);
  const { state, reason, exact, orientation } = decoded;
  if (state !== "restored") return { ...nothing, state, reason, inlayBytes };
  const picture = png(decoded);
  const turned = orientation > 4;
  const [width, height] = turned ? [decoded.height, decoded.width] : [decoded.width, decoded.height];
  const ms = performance.now() - begun;
  return { state, reason, exact, png: picture, width, height, orientation, fileBytes: bytes.length, inlayBytes, ms };
}

/** True or false if the beginning of a file says whether it has an inlay; undefined if more of it is needed. */
function mayCarry(head: Uint8Array): boolean | undefined {
  try {
    const found = inspect(head);
    return found.inlay ? true : found.complete ? false : undefined;
  } catch {
    return false; // no JPEG
  }
}
