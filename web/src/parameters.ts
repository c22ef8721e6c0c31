/**
 * A network's parameters as coded bytes: levels relative to a prior (FORMAT.md, section 5).
 *
 * `codeLevels` encodes and decodes, as in Python: the build writes the priors with it.
 */

import { FormatError } from "./errors";
import { tensors, type Network } from "./network";
import { Bit, Decoder, type Coder } from "./rangecoder";

const MAX_PARAMETER = 32767;
const LEAST_SIDE_PX = 32;
const UNARY = 14; // the size of a level is coded in unary up to this, beyond in an Exp-Golomb code
const MAX_GOLOMB = 15;
const COUNT_TOTAL = 512;
const numbers = (text: string) => text.split(" ").map(Number);
const GROUP_LIMITS = numbers(
  "2 3 5 7 10 13 19 27 38 54 76 108 152 215 304 431 609 861 1218 1722 2435 3444 4871 6889 9742 13777 19484 27554 38968 55109 77936",
);
const ZERO_COUNTS = numbers(
  "508 506 504 501 496 490 481 469 452 429 400 362 316 265 212 163 121 88 161 120 182 136 192 144 197 148 199 150 200 151 201 152",
);
const STOP_COUNTS = numbers(
  "510 509 508 506 504 501 496 489 480 467 449 424 391 349 300 247 196 150 200 152 201 152 201 152 201 152 201 152 201 152 201 152",
);

/** What levels are relative to: a value, the exponent of the step and a spread for each parameter. */
export interface Prior {
  network: Network;
  values: Int16Array;
  exponents: Uint8Array;
  spreads: Uint16Array;
}

/** The picture cut in squares of `sidePx`, row by row, and for each the number of the set that restores it. */
export interface Areas {
  sidePx: number;
  columns: number;
  numbers: Uint8Array;
}

/** The parameters of a picture; no areas for one set. */
export interface Sets {
  parameters: Int16Array[];
  areas: Areas | null;
}

/** The prior for a network without a shipped one (FORMAT.md, section 3). */
export function blankPrior(network: Network): Prior {
  const factors = { first: 16, depthwise: 12, pointwise: 25, last: 2 };
  const spreads = tensors(network).flatMap((t) => {
    const spread = t.bias ? 600 : Math.floor(Math.sqrt(Math.floor((factors[t.kind] * 2 ** 20) / t.fanIn)));
    return Array<number>(t.size).fill(spread);
  });
  const values = new Int16Array(spreads.length);
  return { network, values, exponents: new Uint8Array(spreads.length).fill(6), spreads: Uint16Array.from(spreads) };
}

/**
 * The parameters in the coded bytes, for a picture of this size; FormatError where one does not fit 16 bits.
 *
 * check: called with each set as soon as it is read, so that an unusable one ends the reading.
 */
export function decode(
  prior: Prior,
  coded: Uint8Array,
  height: number,
  width: number,
  check: (network: Network, parameters: Int16Array) => void,
): Sets {
  if (!coded.length) {
    check(prior.network, prior.values);
    return { parameters: [prior.values], areas: null };
  }
  const coder = new Decoder(coded);
  const several = coder.bits(1);
  const count = several ? coder.bits(3) + 2 : 1;
  const sidePx = several ? LEAST_SIDE_PX << coder.bits(3) : 0;
  const parameters: Int16Array[] = [];
  for (let number = 0; number < count; number++) {
    const steps = stepsOf(prior, coder.bits(4) - 4);
    const levels = codeLevels(coder, prior, steps, null);
    parameters.push(prior.values.map((value, i) => value + levels[i]! * 2 ** steps[i]!));
    check(prior.network, parameters[number]!);
    if (number === 0) prior = { ...prior, values: parameters[0]! };
  }
  if (!several) return { parameters, areas: null };
  const columns = Math.ceil(width / sidePx);
  const places = decodeAreas(coder, count, Math.ceil(height / sidePx), columns);
  return { parameters, areas: { sidePx, columns, numbers: places } };
}

function stepsOf(prior: Prior, coarseness: number): Uint8Array {
  return prior.exponents.map((exponent) => Math.min(Math.max(exponent + coarseness, 0), 14));
}

/** Encodes `levels` with steps of these exponents, or decodes them where they are null; returns them. */
export function codeLevels(coder: Coder, prior: Prior, steps: Uint8Array, levels: ArrayLike<number> | null): number[] {
  const { values, spreads } = prior;
  const contexts = new Map<number, Bit>();
  const context = (group: number, before: number) => {
    const key = group * UNARY + before;
    const zeros = (before ? STOP_COUNTS : ZERO_COUNTS)[group]!;
    if (!contexts.has(key)) contexts.set(key, new Bit(zeros, COUNT_TOTAL - zeros));
    return contexts.get(key)!;
  };
  // FORMAT.md's A and B: sums over the parameters so far, in which each step keeps 31/32 of the past.
  let differences = 8 * (Math.floor(spreads.reduce((sum, spread) => sum + spread, 0) / spreads.length) + 1);
  let expected = differences;
  return Array.from(spreads, (spread, i) => {
    const step = 2 ** steps[i]!;
    const mean = Math.floor(Math.floor((256 * spread * differences) / expected) / step); // exact: the product is below 2^45
    const group = GROUP_LIMITS.filter((limit) => limit <= mean).length;
    const given = levels ? levels[i]! : 0;
    const size = codeSize(coder, (before) => context(group, before), Math.max(0, (group - 16) >> 1), Math.abs(given));
    const level = size && coder.bits(1, given < 0 ? 1 : 0) ? -size : size;
    const parameter = Math.abs(values[i]! + level * step);
    if (parameter > MAX_PARAMETER) {
      throw new FormatError(`a network parameter has the size ${parameter}, expected at most ${MAX_PARAMETER}`);
    }
    differences += size * step - Math.floor(differences / 32);
    expected += spread - (expected >> 5);
    return level;
  });
}

/** The size of a level: its bits above the lowest `fold`, then those. */
function codeSize(coder: Coder, context: (before: number) => Bit, fold: number, size: number): number {
  const high = Math.floor(size / 2 ** fold);
  let coded = 0;
  while (coded < UNARY && coder.bit(context(coded), high > coded ? 1 : 0)) coded++;
  if (coded === UNARY) coded += codeGolomb(coder, high - UNARY);
  return coded * 2 ** fold + coder.bits(fold, size & (2 ** fold - 1));
}

function codeGolomb(coder: Coder, value: number): number {
  const length = 31 - Math.clz32(value + 1);
  let count = 0;
  while (count < MAX_GOLOMB && coder.bits(1, count < length ? 1 : 0)) count++;
  return 2 ** count + coder.bits(count, value + 1 - 2 ** length) - 1;
}

/** The set of each square, row by row; a square mostly has the set of its left neighbour. */
function decodeAreas(coder: Coder, count: number, rows: number, columns: number): Uint8Array {
  const alike = [new Bit(), new Bit(), new Bit()];
  const others = Array.from({ length: count }, () => new Bit());
  const found = new Uint8Array(rows * columns);
  for (let i = 0; i < found.length; i++) {
    const above = i < columns ? 0 : found[i - columns]!;
    const first = i % columns === 0;
    const expected = first ? above : found[i - 1]!;
    found[i] = expected;
    if (!coder.bit(alike[first ? 0 : expected === above ? 2 : 1]!)) continue;
    let place = 0;
    while (place < count - 2 && coder.bit(others[place]!)) place++;
    found[i] = place < expected ? place : place + 1;
  }
  return found;
}
