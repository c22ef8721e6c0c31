/**
 * From a base's luma and its inlay's parameters to the restored luma, band by band (FORMAT.md, section 6).
 *
 * A band is all that is in the kernel's memory at a time.  With several sets of parameters, each square is restored by its own set.
 */

import type { Address, Kernel } from "./native";
import { InlayError } from "./errors";
import { description } from "./native";
import { haloPx, type Network } from "./network";
import type { Areas, Sets } from "./parameters";
import type { Plane } from "./planes";

const BAND_PX = 1 << 20; // the kernel then holds some MB

/** Rows [top, bottom), ..., of about BAND_PX pixels each, that cover a plane; `top` is a multiple of 16, for chroma of half the height. */
export function* bands(height: number, width: number): Generator<[number, number]> {
  const step = Math.max(Math.floor(BAND_PX / width / 16), 1) * 16;
  for (let top = 0; top < height; top += step) yield [top, Math.min(top + step, height)];
}

/** What restores a picture: its network and parameters, in the kernel's memory for as long as the `within` around it lasts. */
export class Restorer {
  private readonly network: Address;
  private readonly parameters: Address[];
  private readonly margin: number; // the halo in whole blocks of 8: a network with the block phase as input then sees the same phase

  constructor(
    private readonly kernel: Kernel,
    network: Network,
    private readonly sets: Sets,
  ) {
    this.network = kernel.place(description(network));
    this.parameters = sets.parameters.map((each) => kernel.place(each));
    this.margin = Math.ceil(haloPx(network) / 8) * 8;
  }

  /** Places the restored rows [top, bottom) of a luma, and returns where they are. */
  band(luma: Plane, top: number, bottom: number): Address {
    const { kernel, margin, sets } = this;
    const { width, height } = luma;
    const first = Math.max(0, top - margin);
    const last = Math.min(height, bottom + margin);
    const base = kernel.place(luma.data.subarray(first * width, last * width));
    const out = kernel.room((last - first) * width);
    const inside = out + (top - first) * width;
    if (!sets.areas) {
      this.restore(0, base, width, last - first, width, out, top - first, bottom - first);
      return inside;
    }
    const scratch = kernel.room((last - first) * width);
    for (const { upper, lower, begin, end, number } of strips(sets.areas, top, bottom, margin)) {
      const side = sets.areas.sidePx;
      const x = Math.max(0, begin * side - margin);
      const right = Math.min(width, end * side + margin);
      const y = Math.max(first, upper - margin);
      const down = Math.min(last, lower + margin);
      this.restore(number, base + (y - first) * width + x, right - x, down - y, width, scratch + (y - first) * width + x, upper - y, lower - y);
      const squares = sets.areas.numbers.subarray(Math.floor(upper / side) * sets.areas.columns);
      const memory = kernel.bytes(0, scratch + (last - first) * width);
      for (let column = begin; column < end; column++) {
        if (squares[column] !== number) continue;
        const [from, to] = [column * side, Math.min((column + 1) * side, width)];
        for (let row = upper - first; row < lower - first; row++) {
          memory.copyWithin(out + row * width + from, scratch + row * width + from, scratch + row * width + to);
        }
      }
    }
    return inside;
  }

  /** Rows [y0, y1) of a part of the luma, with one set; `out` has the part's form. */
  private restore(set: number, base: Address, width: number, height: number, stride: number, out: Address, y0: number, y1: number): void {
    const status = this.kernel.call.inlaid_restore_wasm(
      this.network,
      this.parameters[set]!,
      base,
      stride,
      height,
      width,
      out,
      stride,
      y0,
      y1,
    );
    if (status) throw new InlayError("no memory for the restoration network's rows");
  }
}

/** Rows [upper, lower) of the squares [begin, end) in a row of squares, and the set that restores them. */
interface Strip {
  upper: number;
  lower: number;
  begin: number;
  end: number;
  number: number;
}

/** What to restore of a band: each run of squares of one set, or the whole row once for each set where that is fewer pixels. */
function* strips({ sidePx, columns, numbers }: Areas, top: number, bottom: number, margin: number): Generator<Strip> {
  for (let upper = top, lower; upper < bottom; upper = lower) {
    const row = Math.floor(upper / sidePx);
    lower = Math.min(bottom, (row + 1) * sidePx);
    const line = numbers.subarray(row * columns, (row + 1) * columns);
    const runs: Strip[] = [];
    for (let begin = 0, end = 0; begin < columns; begin = end) {
      while (end < columns && line[end] === line[begin]) end++;
      runs.push({ upper, lower, begin, end, number: line[begin]! });
    }
    const whole = [...new Set(line)].map((number) => ({ upper, lower: lower!, begin: 0, end: columns, number }));
    const cost = (found: Strip[]) => found.reduce((sum, { begin, end }) => sum + (end - begin) * sidePx + 2 * margin, 0);
    yield* cost(runs) <= cost(whole) ? runs : whole;
  }
}
