/** JPEG files for the tests: golden ones, changed by hand, and large ones by the Python package. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const INLAY = Buffer.from("inlay\0");

/** [start, end] of each APP9 segment of an inlay. */
function segments(jpeg) {
  const found = [];
  for (let at = 2; jpeg[at + 1] !== 0xda; at += 2 + jpeg.readUInt16BE(at + 2)) {
    if (jpeg[at + 1] === 0xe9 && jpeg.subarray(at + 4, at + 10).equals(INLAY)) found.push([at, at + 2 + jpeg.readUInt16BE(at + 2)]);
  }
  return found;
}

/** The file without its inlay. */
export function stripped(jpeg) {
  const [[start, end]] = segments(jpeg);
  return Buffer.concat([jpeg.subarray(0, start), jpeg.subarray(end)]);
}

/** The file with a byte of its inlay changed: the checksum tells. */
export function damaged(jpeg) {
  const [[, end]] = segments(jpeg);
  const copy = Buffer.from(jpeg);
  copy[end - 4] ^= 0x55;
  return copy;
}

/** A file with the inlay of another one: its fingerprint tells. */
export function stale(jpeg, other) {
  const [[start, end]] = segments(other);
  const base = stripped(jpeg);
  return Buffer.concat([base.subarray(0, 2), other.subarray(start, end), base.subarray(2)]);
}

/** The file with an EXIF block that holds an orientation, and so many bytes more: as if there were a preview. */
export function oriented(jpeg, orientation, more = 0) {
  const tiff = Buffer.from("Exif\0\0MM\0*\0\0\0\b\0\u0001\u0001\u0012\0\u0003\0\0\0\u0001\0\0\0\0\0\0\0\0", "latin1");
  tiff.writeUInt16BE(orientation, 24);
  const body = Buffer.concat([tiff, Buffer.alloc(more)]);
  const head = Buffer.from([0xff, 0xe1, 0, 0]);
  head.writeUInt16BE(body.length + 2, 2);
  return Buffer.concat([jpeg.subarray(0, 2), head, body, jpeg.subarray(2)]);
}

export const PYTHON = process.env.INLAID_PYTHON ?? "python3";
const MAKE = `
import sys, numpy as np
from PIL import Image
import inlaid
width, height, seed, path = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
rng = np.random.default_rng(seed)
small = Image.fromarray(rng.integers(0, 256, (height // 40 + 2, width // 40 + 2, 3), np.uint8))
noise = rng.integers(-12, 13, (512, 512, 1), np.int16)
large = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
large += np.tile(noise, (height // 512 + 1, width // 512 + 1, 1))[:height, :width]
open(path, "wb").write(inlaid.encode(large.clip(0, 255).astype(np.uint8), quality=40, effort=1, base="turbo"))
`;

/** A sentence that says why the package cannot make files; false if it can. */
export const cannotMake = (() => {
  try {
    execFileSync(PYTHON, ["-c", "import inlaid, inlaid.native"], { stdio: "ignore" });
    return false;
  } catch {
    return `${PYTHON} has no inlaid; set INLAID_PYTHON`;
  }
})();

const folder = process.env.INLAID_TEST_FILES ?? mkdtempSync(join(tmpdir(), "inlaid-"));

/** A file of this size with an inlay, by the Python package. */
export function made(width, height, seed = 0) {
  const path = join(folder, `${width}x${height}-${seed}.jpg`);
  if (!existsSync(path)) execFileSync(PYTHON, ["-c", MAKE, width, height, seed, path].map(String));
  return readFileSync(path);
}
