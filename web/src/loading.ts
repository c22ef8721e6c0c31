/**
 * A file by its address, without a second download: the browser has shown the picture, so its HTTP cache has the bytes.
 *
 * The first kilobytes tell whether there is an inlay at all.  They are asked for as a range.  A server or a cache that knows no ranges
 * answers with the whole, which is read only as far as it is needed.
 */

const HEADS_BYTES = [16 << 10, 256 << 10]; // the inlay stands behind EXIF, which may hold a preview of up to 64 kB a segment
const PARTIAL = 206;

/** Chromium's cache answers requests for ranges.  Others ask the network for them; there the cache is asked for the whole first. */
const cacheHasRanges = "userAgentData" in navigator;

/** Says of the beginning of a file: wanted, not wanted, or undecided yet. */
export type Wanted = (head: Uint8Array) => boolean | undefined;

/** The bytes of the whole file, or null if its beginning shows that it is not wanted.  An Error in words if it cannot be loaded. */
export async function load(
  url: string,
  wanted: Wanted,
  signal: AbortSignal,
  credentials: RequestCredentials = "same-origin",
): Promise<Uint8Array | null> {
  const settings: RequestInit = { cache: "force-cache", credentials, signal };
  if (!cacheHasRanges && new URL(url).origin === location.origin) {
    const cached = await fetch(url, { ...settings, cache: "only-if-cached", mode: "same-origin" }).catch(() => null);
    if (cached?.ok) return whole(cached, wanted);
  }
  for (const length of HEADS_BYTES) {
    const response = await request(url, { ...settings, headers: { Range: `bytes=0-${length - 1}` } });
    if (response.status !== PARTIAL) return whole(response, wanted);
    const head = new Uint8Array(await response.arrayBuffer());
    const verdict = wanted(head);
    if (verdict === false) return null;
    if (head.length < length || totalBytes(response) === head.length) return head;
    if (verdict) break;
  }
  return whole(await request(url, settings), wanted);
}

async function request(url: string, settings: RequestInit): Promise<Response> {
  const response = await fetch(url, settings).catch((error: unknown) => {
    throw new Error(settings.signal?.aborted ? "cancelled" : `it cannot be read by a script (CORS, policy or network): ${String(error)}`);
  });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return response;
}

/** The whole of an answer, or null as soon as its beginning shows that it is not wanted. */
async function whole(response: Response, wanted: Wanted): Promise<Uint8Array | null> {
  const reader = response.body!.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  let verdict: boolean | undefined;
  let asked = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return joined(parts, length);
    parts.push(value);
    length += value.length;
    if (verdict === undefined && length >= (HEADS_BYTES[asked] ?? Infinity)) {
      asked++;
      verdict = wanted(joined(parts, length));
      if (verdict === false) {
        await reader.cancel();
        return null;
      }
    }
  }
}

function joined(parts: Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The size of the whole file, from an answer's Content-Range; undefined if it says none, or may not be read. */
function totalBytes(response: Response): number | undefined {
  const total = response.headers.get("Content-Range")?.split("/")[1];
  return total && total !== "*" ? Number(total) : undefined;
}
