/**
 * The time of restoring 768 x 512 pixels with one thread, here in WebAssembly and by the native kernel, and their ratio.
 *
 *   INLAID_PYTHON=... node benchmark.mjs [PRIOR ...]
 *
 * By turns, and the fastest of many runs of each, since other work on the machine can only make a run slower.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { committed, modules } from "./build.mjs";

const HEIGHT = 512;
const WIDTH = 768;
const ROUNDS = 5;
const NATIVE = `
import sys, time
import numpy as np
from inlaid import native, priors

prior = priors.prior(int(sys.argv[1]))
base = np.random.default_rng(0).integers(0, 256, (${HEIGHT}, ${WIDTH}), np.uint8)
best = 9.0
for _ in range(40):
    start = time.perf_counter()
    native.restore(prior.network, prior.values.astype(np.int16), base, threads=1, path=sys.argv[2])
    best = min(best, time.perf_counter() - start)
print(best * 1000)
`;

const inlaid = await modules();

/** A function that restores a picture once. */
async function restoring(file, number) {
  const kernel = await inlaid.compile(readFileSync(join(committed, file)));
  const prior = await inlaid.prior(number, async () => readFileSync(join(committed, `priors/${String(number).padStart(3, "0")}.bin`)));
  const [net, parameters] = [kernel.place(inlaid.description(prior.network)), kernel.place(prior.values)];
  const base = kernel.place(Uint8Array.from({ length: HEIGHT * WIDTH }, (_, i) => Math.imul(i, 2654435761) >>> 24));
  const out = kernel.room(HEIGHT * WIDTH);
  return () => kernel.call.inlaid_restore_wasm(net, parameters, base, WIDTH, HEIGHT, WIDTH, out, WIDTH, 0, HEIGHT);
}

function fastest(run, times) {
  let best = Infinity;
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    run();
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

function native(number, path) {
  const done = spawnSync(process.env.INLAID_PYTHON ?? "python3", ["-c", NATIVE, String(number), path], { encoding: "utf8" });
  return done.status === 0 ? Number(done.stdout) : NaN; // the machine may lack the path
}

const chosen = process.argv.slice(2).map(Number);
for (const number of chosen.length ? chosen : [1, 10]) {
  const runs = { simd: await restoring("inlaid.wasm", number), portable: await restoring("inlaid-portable.wasm", number) };
  const best = { simd: Infinity, portable: Infinity, avx2: Infinity, sse: Infinity };
  for (let round = 0; round < ROUNDS; round++) {
    best.simd = Math.min(best.simd, fastest(runs.simd, 20));
    best.portable = Math.min(best.portable, fastest(runs.portable, 1));
    for (const path of ["avx2", "sse"]) best[path] = Math.min(best[path], native(number, path));
  }
  const times = Object.entries(best).map(([name, ms]) => `${name} ${ms.toFixed(2)} ms`);
  console.log(`prior ${number}, ${inlaid.weights(inlaid.networkOf(number))} weights: ${times.join(", ")}; simd / avx2 = ${(best.simd / best.avx2).toFixed(2)}`);
}
