/**
 * A small web server for the tests: it counts requests, serves ranges, and sets the headers that a test asks for.
 *
 * Files are given as a map of paths to bytes, or to functions that return bytes when they are asked for.
 */
import { createServer } from "node:http";
import { extname } from "node:path";

const TYPES = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css", ".wasm": "application/wasm",
  ".jpg": "image/jpeg", ".png": "image/png", ".json": "application/json", ".svg": "image/svg+xml",
};
export const STRICT =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src 'self' blob:; style-src 'self'";

/** Settings: csp, cors (allow all origins), cache (the Cache-Control header), ranges, delay in ms. */
export async function serve(files, settings = {}) {
  const { csp, cors = false, cache = "max-age=3600", ranges = true } = settings;
  const log = []; // one entry a request: { path, status, range, bytes }
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url.split("?")[0]);
    const found = files[path];
    const body = typeof found === "function" ? found(request) : found;
    const entry = { path, range: request.headers.range, status: 200, bytes: 0 };
    log.push(entry);
    const headers = { "Cache-Control": cache };
    if (csp) headers["Content-Security-Policy"] = csp;
    if (cors) headers["Access-Control-Allow-Origin"] = "*";
    if (body === undefined) {
      response.writeHead((entry.status = 404), headers).end();
      return;
    }
    let data = Buffer.from(body);
    headers["Content-Type"] = TYPES[path.endsWith("/") ? ".html" : extname(path)] ?? "application/octet-stream";
    headers.ETag = `"${data.length}"`;
    if (ranges) headers["Accept-Ranges"] = "bytes";
    const range = ranges && /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    if (range) {
      const last = Math.min(Number(range[2] || data.length - 1), data.length - 1);
      headers["Content-Range"] = `bytes ${range[1]}-${last}/${data.length}`;
      data = data.subarray(Number(range[1]), last + 1);
      entry.status = 206;
    }
    headers["Content-Length"] = data.length;
    entry.bytes = data.length;
    response.writeHead(entry.status, headers).end(data);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const url = `http://127.0.0.1:${server.address().port}`;
  return {
    url,
    log,
    requests: (path) => log.filter((entry) => entry.path === path),
    close: () => {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  };
}
