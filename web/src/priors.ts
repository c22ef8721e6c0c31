/**
 * The shipped priors: pre-trained parameters, a part of the format (FORMAT.md, section 3).
 *
 * The build writes each of src/inlaid/priors/NNN-*.json into `priors/NNN.bin`.  Its bytes are one message of the range coder (section 5)
 * with three sets of levels, each coded as section 5 says, with coarseness 0, relative to a prior of the same size:
 *
 *   levels                                      values    exponents    spreads
 *   the prior's values                          all 0     all 0        the blank prior's
 *   the exponents, each less the one before     all 0     all 0        all 1
 *   the spreads' places, likewise               all 0     all 0        all 4
 *
 * The first exponent and the first place stand as they are.  Spreads have three significant bits; a spread's place is its number among
 * such numbers: 0 1 2 3 4 5 6 7 8 10 12 14 16 20 24 28 32 ...  The networks of all priors are in the script: the build fills in `SHIPPED`.
 */

import { FormatError, UnsupportedError } from "./errors";
import { network, size, type Network } from "./network";
import { blankPrior, codeLevels, type Prior } from "./parameters";
import { Decoder, type Coder } from "./rangecoder";

/** networks: their five numbers.  of: for each number from 1 on, the character 65 + the index of its network; " " for a missing one. */
declare const SHIPPED: { networks: [number, number, number, number[], number][]; of: string };

/** Where the bytes of a prior come from; by default they are fetched from beside the script. */
export type PriorSource = Readonly<Record<number, Uint8Array>> | ((number: number) => Promise<Uint8Array>);

const read = new Map<number, Promise<Prior>>();

/** The network of a prior; UnsupportedError for an unknown number. */
export function networkOf(number: number): Network {
  const found = SHIPPED.networks[SHIPPED.of.charCodeAt(number - 1) - 65];
  if (!found) {
    throw new UnsupportedError(`the inlay builds on prior ${number}, which this version does not have (it has 1 to ${SHIPPED.of.length})`);
  }
  return network(...found);
}

/** The prior of that number; UnsupportedError for an unknown one. */
export function prior(number: number, source: PriorSource = fetched): Promise<Prior> {
  const net = networkOf(number);
  const found = read.get(number) ?? bytesOf(number, source).then((bytes) => decoded(net, bytes));
  read.set(number, found);
  found.catch(() => read.delete(number)); // a failed fetch may succeed later
  return found;
}

async function bytesOf(number: number, source: PriorSource): Promise<Uint8Array> {
  const bytes = typeof source === "function" ? await source(number) : source[number];
  return bytes ?? fetched(number);
}

async function fetched(number: number): Promise<Uint8Array> {
  const address = new URL(`priors/${String(number).padStart(3, "0")}.bin`, import.meta.url);
  const answer = await fetch(address);
  if (!answer.ok) throw new UnsupportedError(`the inlay builds on prior ${number}, which cannot be loaded: ${answer.status} for ${address}`);
  return new Uint8Array(await answer.arrayBuffer());
}

function decoded(net: Network, bytes: Uint8Array): Prior {
  const coder = new Decoder(bytes);
  const [values, exponents, spreads] = code(coder, net, [null, null, null]);
  const found = {
    network: net,
    values: Int16Array.from(values!),
    exponents: Uint8Array.from(summed(exponents!)),
    spreads: Uint16Array.from(summed(spreads!), (at) => (at < 4 ? at : (4 + (at & 3)) << ((at >> 2) - 1))),
  };
  if (found.exponents.some((exponent) => exponent > 14)) throw new FormatError("a prior is damaged");
  return found;
}

/** Encodes the three sets of levels, or decodes those that are null. */
export function code(coder: Coder, net: Network, levels: (number[] | null)[]): number[][] {
  const blank = blankPrior(net);
  const steps = new Uint8Array(size(net));
  const spreads = [blank.spreads, blank.spreads.map(() => 1), blank.spreads.map(() => 4)];
  return levels.map((each, i) => codeLevels(coder, { ...blank, spreads: spreads[i]! }, steps, each));
}

/** The place of a spread among the numbers of three significant bits; its inverse is in `decoded`. */
export function placeOf(spread: number): number {
  const last = Math.max(29 - Math.clz32(spread), 0);
  return 4 * last + (spread >> last);
}

function summed(differences: number[]): number[] {
  let sum = 0;
  return differences.map((difference) => (sum += difference));
}
