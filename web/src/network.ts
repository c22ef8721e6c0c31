/** The family of restoration networks (FORMAT.md, section 3): their shapes, the order of their parameters, their bounds. */

import { FormatError, UnsupportedError } from "./errors";

export const MAX_LAYERS = 8;
const LIMITS = `1 to 32 channels, 0 to ${MAX_LAYERS} layers, kernel 1x1, 3x3 or 5x5, dilations 1 to 8, 1 or 3 inputs`;

/** One network of the family; `network` makes only valid ones. */
export interface Network {
  channels: number;
  layers: number;
  kernel: number;
  dilations: number[]; // one a layer
  inputs: number;
}

/** A part of the parameter vector: a weight has the kind of its layer, and `bias` is true for a bias. */
export interface Tensor {
  kind: "first" | "depthwise" | "pointwise" | "last";
  bias: boolean;
  offset: number;
  size: number;
  fanIn: number; // the products in the sum of one output
}

/** The network of these numbers; UnsupportedError if the format does not allow them. */
export function network(channels: number, layers: number, kernel: number, dilations: number[], inputs: number): Network {
  const within = (value: number, low: number, high: number) => value >= low && value <= high;
  const possible =
    within(channels, 1, 32) &&
    within(layers, 0, MAX_LAYERS) &&
    [1, 3, 5].includes(kernel) &&
    dilations.length === layers &&
    dilations.every((d) => within(d, 1, 8)) &&
    [1, 3].includes(inputs);
  if (!possible) {
    const dilated = dilations.every((d) => d === 1) ? "" : `, dilations (${dilations.join(", ")}${layers === 1 ? "," : ""})`;
    const extra = inputs === 1 ? "" : `, ${inputs} inputs`;
    const found = `${channels} channels, ${layers} separable layers, ${kernel}x${kernel}${dilated}${extra}`;
    throw new UnsupportedError(`no such network: ${found}; expected ${LIMITS}`);
  }
  return { channels, layers, kernel, dilations, inputs };
}

/** The parts of the parameter vector, in its order. */
export function tensors({ channels: c, layers, kernel, inputs }: Network): Tensor[] {
  const found: Tensor[] = [];
  let offset = 0;
  const add = (kind: Tensor["kind"], size: number, fanIn: number, bias = false) => {
    found.push({ kind, bias, offset, size, fanIn });
    offset += size;
  };
  const taps = kernel * kernel;
  add("first", c * inputs * taps, inputs * taps);
  add("first", c, 1, true);
  for (let i = 0; i < layers; i++) {
    add("depthwise", c * taps, taps);
    add("pointwise", c * c, c);
    add("pointwise", c, 1, true);
  }
  add("last", c * taps, c * taps);
  return found;
}

/** The length of the parameter vector: weights and biases. */
export function size(net: Network): number {
  return tensors(net).reduce((sum, t) => sum + t.size, 0);
}

/** The number of weights, without biases. */
export function weights(net: Network): number {
  return tensors(net).reduce((sum, t) => sum + (t.bias ? 0 : t.size), 0);
}

/** The base pixels beyond a restored pixel, on each side, that it depends on. */
export function haloPx(net: Network): number {
  return (net.kernel >> 1) * net.dilations.reduce((sum, d) => sum + d, 2);
}

/** FormatError unless no sum of the integer network can leave 32 bits (FORMAT.md, section 6). */
export function checkBounds(net: Network, parameters: Int16Array): void {
  const parts = tensors(net);
  let largest = 0;
  parts.forEach((t, i) => {
    if (t.bias) return;
    const bias = parts[i + 1]?.bias ? parts[i + 1] : undefined;
    const reach = t.kind === "first" ? 2 ** 12 : 2 ** 15;
    for (let row = 0; row < t.size / t.fanIn; row++) {
      let sum = bias ? Math.abs(parameters[bias.offset + row]!) * 2 ** 12 : 0;
      for (let k = 0; k < t.fanIn; k++) sum += Math.abs(parameters[t.offset + row * t.fanIn + k]!) * reach;
      largest = Math.max(largest, sum + 2 ** 16);
    }
  });
  if (largest >= 2 ** 31) throw new FormatError(`the network's sums can reach ${largest}, beyond 32 bits (expected less than ${2 ** 31})`);
}
