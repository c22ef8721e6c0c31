/** Every golden file in Node, bit for bit, with both kernels: the planes come from Python. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { committed, modules } from "../build.mjs";

const python = process.env.INLAID_PYTHON ?? "python3";
const lacking = spawnSync(python, ["-c", "import inlaid.native as n; n.library()"]).status !== 0;
const skip = lacking && `${python} cannot import inlaid; INLAID_PYTHON names another`;
const folder = mkdtempSync(join(tmpdir(), "inlaid-"));
after(() => rmSync(folder, { recursive: true }));
if (!skip) execFileSync(python, [fileURLToPath(new URL("planes.py", import.meta.url)), folder], { stdio: "inherit" });

const inlaid = await modules();
const prior = (number) => inlaid.prior(number, async () => readFileSync(join(committed, `priors/${String(number).padStart(3, "0")}.bin`)));
const records = readdirSync(folder).filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -5));
if (skip) test("golden files", { skip }, () => {});

for (const name of records) {
  const record = JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));
  const payload = inlaid.readPayload(Buffer.from(record.payload, "hex"), inlaid.networkOf);
  const [height, width] = record.shape;
  const base = baseOf(readFileSync(join(folder, `${name}.bin`)), record.model, width, height);
  const start = payload.prior ? await prior(payload.prior) : inlaid.blankPrior(payload.network);
  const sets = inlaid.decodeParameters(start, payload.coded, height, width, inlaid.checkBounds);

  test(`${name}: payload and parameters are Python's`, () => {
    assert.ok(Math.abs(payload.gainDb - record.gain_db) < 1e-9);
    assert.deepEqual(sets.parameters.map((each) => [...each]), record.parameters);
    assert.deepEqual(sets.areas && [...sets.areas.numbers], record.areas);
  });

  for (const file of ["inlaid.wasm", "inlaid-portable.wasm"]) {
    test(`${name}: ${file} restores the recorded bytes`, async () => {
      const kernel = await inlaid.compile(readFileSync(join(committed, file)));
      if (record.model !== "rgb") assert.deepEqual([...inlaid.signedSums(kernel, base.luma)], record.signed_sums);
      const found = inlaid.restorePlanes(kernel, base, { payload, sets });
      assert.equal(found.state, record.state);
      assert.equal(createHash("sha256").update(found.pixels).digest("hex"), record.pixels_sha256);
      const shown = inlaid.restorePlanes(kernel, base, { state: "plain", reason: "" });
      assert.equal(createHash("sha256").update(shown.pixels).digest("hex"), record.base_sha256);
    });
  }
}

/** A base of pixels in the planes of its model; chroma is at the picture's size. */
function baseOf(pixels, model, width, height) {
  const size = { width, height, exact: true, model };
  const plane = (k) => ({ data: Uint8Array.from({ length: width * height }, (_, i) => pixels[3 * i + k]), width, height });
  if (model === "gray") return { ...size, luma: { data: new Uint8Array(pixels), width, height } };
  if (model === "ycbcr") return { ...size, luma: plane(0), chroma: [plane(1), plane(2)], halved: [false, false] };
  const data = Uint8Array.from({ length: 4 * width * height }, (_, i) => (i % 4 < 3 ? pixels[3 * (i >> 2) + (i % 4)] : 255));
  return { ...size, packed: { data, red: 0 } };
}
