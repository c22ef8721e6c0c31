/** From luma to pixels (FORMAT.md, section 7), band by band in the kernel's memory. */

import type { Address, Kernel } from "./native";
import type { Base, Packed, Plane } from "./planes";
import { bands } from "./restoration";

/** The luma of pixels. */
export function luma(kernel: Kernel, packed: Packed, width: number, height: number): Plane {
  const data = new Uint8Array(width * height);
  for (const [top, bottom] of bands(height, width)) {
    kernel.within(() => {
      const count = (bottom - top) * width;
      const rgb = packedBand(kernel, packed, width, top, bottom);
      const out = kernel.room(count);
      kernel.call.inlaid_luma_wasm(rgb, out, count);
      data.set(kernel.bytes(out, count), top * width);
    });
  }
  return { data, width, height };
}

/** Places rows [top, bottom) of the picture whose luma, there, becomes what is at `restored`; returns where they are. */
export function coloured(kernel: Kernel, base: Base, before: Plane, restored: Address, top: number, bottom: number): Address {
  const { width } = base;
  const count = (bottom - top) * width;
  if (base.model === "gray") return restored;
  if (base.model === "rgb") {
    const rgb = packedBand(kernel, base.packed, width, top, bottom);
    kernel.call.inlaid_shift_wasm(kernel.place(before.data.subarray(top * width, bottom * width)), restored, rgb, count);
    return rgb;
  }
  if (base.model === "interleaved") {
    const triples = packedBand(kernel, base.packed, width, top, bottom);
    kernel.call.inlaid_rgb_wasm(restored, triples, count);
    return triples;
  }
  const pixels = kernel.room(3 * count);
  const [halvedWidth, halvedHeight] = base.halved;
  base.chroma.forEach((plane, i) => {
    // The rows of chroma that these rows need, and one more on each side.
    const first = halvedHeight ? Math.max(0, (top >> 1) - 1) : top;
    const last = halvedHeight ? Math.min(plane.height, ((bottom + 1) >> 1) + 1) : bottom;
    const rows = kernel.place(plane.data.subarray(first * plane.width, last * plane.width));
    const described = kernel.place(Int32Array.of(rows, first, last - first, plane.width, +halvedWidth, +halvedHeight));
    kernel.call.inlaid_upsample_wasm(described, width, top, bottom - top, pixels + 1 + i);
  });
  kernel.call.inlaid_rgb_wasm(restored, pixels, count);
  return pixels;
}

function packedBand(kernel: Kernel, { data, red }: Packed, width: number, top: number, bottom: number): Address {
  const at = kernel.place(data.subarray(4 * top * width, 4 * bottom * width));
  kernel.call.inlaid_pack_wasm(at, at, (bottom - top) * width, red);
  return at;
}
