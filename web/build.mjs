/**
 * Builds what a page loads into src/inlaid/browser, and a copy with types into web/dist for npm.
 *
 *   node build.mjs            builds
 *   node build.mjs --check    builds in a temporary folder, and says which committed files differ
 *
 * It needs clang with its WebAssembly linker: CLANG and WASM_LD name others than `clang` and `wasm-ld` (or `wasm-ld-14`, Debian's).
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const kernel = join(here, "../src/kernel");
const priorsFolder = join(here, "../src/inlaid/priors");
export const committed = join(here, "../src/inlaid/browser");

/** The sources that become scripts of their own. */
const SCRIPTS = { "inlaid.ts": "inlaid.js", "worker.ts": "inlaid-worker.js", "compare.ts": "inlaid-compare.js" };

/** The networks of the shipped priors, as src/priors.ts declares them. */
export function shipped() {
  const networks = [];
  const of = [];
  for (const [number, { network }] of priors()) {
    const { channels, layers, kernel, dilations, inputs } = network;
    const text = JSON.stringify([channels, layers, kernel, dilations, inputs]);
    if (!networks.includes(text)) networks.push(text);
    while (of.length < number - 1) of.push(" ");
    of.push(String.fromCharCode(65 + networks.indexOf(text)));
  }
  return `{"networks":[${networks}],"of":"${of.join("")}"}`;
}

function priors() {
  const names = readdirSync(priorsFolder).filter((name) => name.endsWith(".json"));
  return names.sort().map((name) => [Number(name.slice(0, 3)), JSON.parse(readFileSync(join(priorsFolder, name), "utf8"))]);
}

/** Bundles an entry point for the browser, or for the tests and this build, in Node. */
export async function bundle(entry, out, { minify = true, platform = "browser" } = {}) {
  const define = { SHIPPED: shipped() };
  await build({ entryPoints: [entry], outfile: out, bundle: true, format: "esm", target: "es2022", minify, platform, define, logLevel: "warning" });
}

/** Compiles the kernel with the operations in src/kernel/vectors/`vectors`.h. */
export function compile(vectors, out) {
  if (!linker) throw new Error(`no WebAssembly linker; tried ${linkers.join(", ")}`);
  const objects = mkdtempSync(join(tmpdir(), "inlaid-"));
  const sources = [...["restore.c", "colour.c", "fingerprint.c"].map((name) => join(kernel, name)), ...["planes.c", "memory.c"].map((name) => join(here, "kernel", name))];
  // Small code: it is downloaded.  The portable kernel has no shape of network of its own, since unrolled code without SIMD is large.
  const flags = ["--target=wasm32", "-std=c11", "-Os", "-mbulk-memory", "-ffreestanding", "-fno-vectorize", "-fno-slp-vectorize", "-Wall", "-Wextra"];
  flags.push("-Wno-psabi", "-Wno-pass-failed", "-isystem", join(here, "kernel/libc"), "-I", kernel, "-DSUFFIX=wasm", `-DVECTORS="vectors/${vectors}.h"`);
  flags.push(...(vectors === "wasm" ? ["-msimd128", "-DINLAID_BROWSER", "-mllvm", "-disable-lsr"] : ["-DINLAID_SMALL"]));
  const compiled = sources.map((source) => {
    const object = join(objects, `${source.split("/").at(-1)}.o`);
    const vectorised = source.endsWith("fingerprint.c") ? ["-fvectorize"] : []; // it has no vectors of its own
    execFileSync(clang, [...flags, ...vectorised, "-c", source, "-o", object], { stdio: "inherit" });
    return object;
  });
  const exports = ["restore", "luma", "rgb", "shift", "pack", "upsample", "signed_sums"].map((name) => `--export=inlaid_${name}_wasm`);
  execFileSync(linker, ["--no-entry", "--strip-all", "-z", "stack-size=65536", ...exports, ...compiled, "-o", out], { stdio: "inherit" });
  chmodSync(out, 0o644); // the linker makes it executable
  rmSync(objects, { recursive: true });
}

const clang = process.env.CLANG ?? "clang";
const linkers = [process.env.WASM_LD, "wasm-ld", "wasm-ld-14"].filter(Boolean);
const linker = linkers.find((name) => spawnSync(name, ["--version"]).status === 0);

/** Whether the compiler that the committed kernels were built with is here. */
export function hasCompiler() {
  return Boolean(linker) && /version 14\./.test(spawnSync(clang, ["--version"], { encoding: "utf8" }).stdout ?? "");
}

/** Writes each prior as src/priors.ts says, and reads it back. */
async function writePriors(folder) {
  const tools = await modules();
  mkdirSync(folder, { recursive: true });
  for (const [number, { values, exponents, spreads }] of priors()) {
    const coder = new tools.Encoder();
    const differences = (list) => list.map((value, i) => value - (i ? list[i - 1] : 0));
    tools.code(coder, tools.networkOf(number), [values, differences(exponents), differences(spreads.map(tools.placeOf))]);
    const bytes = coder.finish();
    const found = await tools.prior(number, { [number]: bytes });
    const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);
    if (!same(values, found.values) || !same(exponents, found.exponents) || !same(spreads, found.spreads)) throw new Error(`prior ${number} changed`);
    writeFileSync(join(folder, `${String(number).padStart(3, "0")}.bin`), bytes);
  }
}

/** The inner modules, for this build, the tests and the benchmark. */
export async function modules() {
  const folder = mkdtempSync(join(tmpdir(), "inlaid-"));
  const out = join(folder, "modules.mjs");
  await bundle(join(here, "modules.ts"), out, { minify: false, platform: "node" });
  const found = await import(pathToFileURL(out));
  rmSync(folder, { recursive: true });
  return found;
}

/** Builds everything into a folder. */
async function buildInto(folder) {
  mkdirSync(folder, { recursive: true });
  compile("wasm", join(folder, "inlaid.wasm"));
  compile("portable", join(folder, "inlaid-portable.wasm"));
  for (const [source, script] of Object.entries(SCRIPTS)) await bundle(join(here, "src", source), join(folder, script));
  await bundle(join(here, "src/compare.ts"), join(folder, "inlaid-compare.js"));
  await writePriors(join(folder, "priors"));
}

function filesIn(folder) {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = names.map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)));
  return paths.filter((path) => /^(inlaid[\w-]*\.(js|wasm)|priors\/.*)$/.test(path)).sort(); // the folder has other things, which are no build's
}

/** The files that differ between the committed build and a new one. */
export async function differing() {
  const folder = mkdtempSync(join(tmpdir(), "inlaid-"));
  await buildInto(folder);
  const bytes = (path) => (existsSync(path) ? readFileSync(path) : Buffer.alloc(0));
  const names = [...new Set([...filesIn(folder), ...filesIn(committed)])];
  const found = names.filter((name) => !bytes(join(folder, name)).equals(bytes(join(committed, name))));
  rmSync(folder, { recursive: true });
  return found;
}

function printSizes() {
  const sizes = filesIn(committed).map((name) => [name, gzipSync(readFileSync(join(committed, name)), { level: 9 }).length]);
  for (const [name, size] of sizes.filter(([name]) => !name.endsWith(".bin"))) console.log(`${name.padEnd(22)} ${size} bytes (gzip)`);
  const largest = Math.max(...sizes.filter(([name]) => name.endsWith(".bin")).map(([, size]) => size));
  console.log(`largest prior          ${largest} bytes (gzip)`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("--check")) {
    const found = await differing();
    for (const name of found) console.error(`${name} is not what the sources give; npm run build`);
    process.exit(found.length ? 1 : 0);
  }
  rmSync(join(committed, "priors"), { recursive: true, force: true });
  await buildInto(committed);
  rmSync(join(here, "dist"), { recursive: true, force: true });
  for (const name of filesIn(committed)) cpSync(join(committed, name), join(here, "dist", name));
  execFileSync(process.execPath, [join(here, "node_modules/typescript/bin/tsc")], { cwd: here, stdio: "inherit" });
  printSizes();
}
