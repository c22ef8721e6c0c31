/** The committed scripts, kernels and priors are what the sources give, and small enough. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { committed, differing, hasCompiler } from "../build.mjs";

const packed = (name) => gzipSync(readFileSync(join(committed, name)), { level: 9 }).length;

test("the committed files are built from these sources", { skip: !hasCompiler() && "no clang 14 with its WebAssembly linker" }, async () => {
  assert.deepEqual(await differing(), [], "npm run build");
});

test("what a page with one picture loads is small", () => {
  const total = packed("inlaid.js") + packed("inlaid-worker.js") + packed("inlaid.wasm");
  assert.ok(total <= 24_000, `${total} bytes`);
  assert.ok(Math.max(...readdirSync(join(committed, "priors")).map((name) => packed(`priors/${name}`))) <= 5_000);
});

test("the sources have the types that they say", () => {
  const done = spawnSync("npx", ["tsc", "--noEmit"], { cwd: new URL("..", import.meta.url), encoding: "utf8" });
  assert.equal(done.stdout, "");
});
