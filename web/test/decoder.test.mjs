/** The decoder in Chromium: what it restores is Python's picture to the last bit, with ImageDecoder and by way of a canvas. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { bundle } from "../build.mjs";
import { launch, missing, scripts } from "./support/browser.mjs";
import { serve } from "./support/server.mjs";

const python = process.env.INLAID_PYTHON ?? "python3";
const lacking = spawnSync(python, ["-c", "import inlaid.native as n; n.library()"]).status !== 0;
const skip = missing || (lacking && `${python} cannot import inlaid; INLAID_PYTHON names another`);
const GOLDEN = new URL("../../tests/golden/", import.meta.url);
const CANVAS = { imageDecoder: false };

describe("in Chromium", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "inlaid-"));
  let browser, server, page;

  before(async () => {
    execFileSync(python, [fileURLToPath(new URL("pictures.py", import.meta.url)), folder], { stdio: "inherit" });
    await bundle(fileURLToPath(new URL("../modules.ts", import.meta.url)), join(folder, "modules.js"), { minify: false });
    server = await serve({ ...scripts(), "/page.html": "<!doctype html><title>page</title>", "/modules.js": readFileSync(join(folder, "modules.js")) });
    browser = await launch();
    page = await browser.newPage();
    await page.goto(`${server.url}/page.html`);
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    rmSync(folder, { recursive: true });
  });

  const file = (name) => readFileSync(join(folder, `${name}.jpg`));
  const golden = JSON.parse(readFileSync(new URL("golden.json", GOLDEN), "utf8"));
  const expected = () => JSON.parse(readFileSync(join(folder, "expected.json"), "utf8"));

  /** What `decodePixels` gives, its pixels as a hash. */
  const decode = (bytes, options = {}) =>
    page.evaluate(
      async ([text, options]) => {
        const inlaid = await import("/modules.js");
        const { pixels, icc, ...rest } = await inlaid.decodePixels(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), options);
        const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", pixels));
        return { ...rest, sha256: [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join(""), icc: icc && icc.length };
      },
      [bytes.toString("base64"), options],
    );

  test("golden files are restored to the last bit", async () => {
    for (const record of Object.values(golden).filter((each) => each.file.endsWith(".jpg"))) {
      for (const options of [{}, CANVAS]) {
        const found = await decode(readFileSync(new URL(record.file, GOLDEN)), options);
        assert.deepEqual([record.file, found.state, found.sha256], [record.file, record.state, record.pixels_sha256]);
        assert.equal(found.exact, options !== CANVAS);
      }
    }
  });

  test("pictures of every size, coding and layout are restored to the last bit", async () => {
    for (const [name, record] of Object.entries(expected()).filter(([name]) => /^(prior|fitted)/.test(name))) {
      for (const options of [{}, CANVAS]) {
        const found = await decode(file(name), options);
        const seen = [name, found.state, found.exact, found.width, found.height, found.sha256];
        assert.deepEqual(seen, [name, "restored", options !== CANVAS, ...record.size, record.sha256]);
      }
    }
  });

  test("bases of every size and coding are Python's to the last bit", async () => {
    for (const [name, record] of Object.entries(expected()).filter(([name]) => !/^(hostile|prior|fitted)|440|411/.test(name))) {
      const found = await decode(file(name));
      const seen = [name, found.state, found.exact, found.width, found.height, found.sha256];
      assert.deepEqual(seen, [name, "plain", true, ...record.size, record.sha256]);
    }
  });

  test("inlays that cannot be used: Python's states, in Python's words", async () => {
    for (const [name, record] of Object.entries(expected()).filter(([name]) => name.startsWith("hostile"))) {
      for (const options of [{}, CANVAS]) {
        const found = await decode(file(name), options);
        assert.deepEqual([name, found.state, found.reason], [name, record.state, record.reason]);
      }
    }
  });

  test("orientation is said, and applied by decode and png", async () => {
    for (let orientation = 1; orientation <= 8; orientation++) {
      const bytes = orientation === 1 ? file("17x33-420") : file(`orientation-${orientation}`);
      for (const options of [{}, CANVAS]) {
        assert.equal((await decode(bytes, options)).orientation, orientation);
        assert.equal(await uprightDifference(bytes, options), 0, `orientation ${orientation}`);
      }
    }
  });

  /** The largest difference between what the browser itself shows, and our ImageData and PNG file. */
  const uprightDifference = (bytes, options) =>
    page.evaluate(
      async ([text, options]) => {
        const inlaid = await import("/modules.js");
        const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
        const drawn = async (blob) => {
          const bitmap = await createImageBitmap(blob);
          const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
          context.drawImage(bitmap, 0, 0);
          return context.getImageData(0, 0, bitmap.width, bitmap.height);
        };
        const seen = await drawn(new Blob([bytes], { type: "image/jpeg" }));
        const ours = [await inlaid.decode(bytes, options), await drawn(inlaid.png(await inlaid.decodePixels(bytes, options)))];
        let most = 0;
        for (const image of ours) {
          if (image.width !== seen.width || image.height !== seen.height) return 256;
          image.data.forEach((value, i) => (most = Math.max(most, Math.abs(value - seen.data[i]))));
        }
        return most;
      },
      [bytes.toString("base64"), options],
    );

  test("the colour profile comes along, in the PNG file too", async () => {
    assert.ok((await decode(file("icc"))).icc > 100);
    assert.equal(await uprightDifference(file("icc"), {}), 0);
  });

  test("what is no JPEG file, and a truncated one, is an error in words, and no hang", async () => {
    await assert.rejects(decode(Buffer.from("GIF89a")), /not a JPEG file/);
    const whole = file("fitted-small");
    for (let length = 2; length < whole.length; length += 37) {
      const found = await decode(whole.subarray(0, length)).catch((error) => error);
      if (found instanceof Error) assert.match(found.message, /JPEG|pixels/, `${length} bytes`);
      else assert.ok(["plain", "stale", "damaged", "restored"].includes(found.state), `${length} bytes: ${found.state}`);
    }
  });
});
