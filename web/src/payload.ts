/** The bytes of an inlay (FORMAT.md, section 2). */

import { FormatError, UnsupportedError } from "./errors";
import { SUMS, type Fingerprint } from "./fingerprint";
import { MAX_LAYERS, network, type Network } from "./network";

const VERSION = 1;

/** An inlay, parsed. */
export interface Payload {
  prior: number; // 0 is the blank prior
  network: Network;
  gainDb: number; // measured by the encoder; 0 to 5.1 in steps of 0.02
  fingerprint: Fingerprint;
  coded: Uint8Array; // the parameters; empty where they are the prior's
}

/**
 * The payload in `data`.  FormatError for damage, UnsupportedError for another version.
 *
 * networkOf: raises UnsupportedError for an unknown prior.
 */
export function read(data: Uint8Array, networkOf: (prior: number) => Network): Payload {
  const body = data.subarray(0, -2);
  if (!body.length || crc16(body) !== data[data.length - 2]! * 256 + data[data.length - 1]!) {
    throw new FormatError(`the inlay is damaged: its ${data.length} bytes do not match the checksum at their end`);
  }
  if (body[0] !== VERSION) throw new UnsupportedError(`the inlay has version ${body[0]}; expected version ${VERSION}`);
  let position = 1;
  const take = (name: string, bytes: number) => {
    const left = body.length - position;
    if (bytes > left) throw new FormatError(`the inlay ends in its ${name}: it has ${left} bytes, expected ${bytes}`);
    return body.subarray(position, (position += bytes));
  };
  const prior = take("prior", 1)[0]!;
  const blank = prior === 0;
  const shape = blank ? take("shape", 4) : null;
  const dilations = blank ? take("dilations", MAX_LAYERS) : null;
  const gain = take("gain", 1)[0]!;
  const unit = take("unit", 1)[0]!;
  const sums = [...take("sums", SUMS / 2)].flatMap((byte) => [byte >> 4, byte & 15]);
  return {
    prior,
    network: shape && dilations ? blankNetwork(shape, dilations) : networkOf(prior),
    gainDb: gain * 0.02,
    fingerprint: { unit, sums },
    coded: body.subarray(position),
  };
}

function blankNetwork(shape: Uint8Array, dilations: Uint8Array): Network {
  const [channels, layers, kernel, inputs] = [shape[0]!, shape[1]!, shape[2]!, shape[3]!];
  try {
    return network(channels, layers, kernel, [...dilations.subarray(0, layers)], inputs);
  } catch (error) {
    throw new FormatError(`the inlay is damaged: ${(error as Error).message}`);
  }
}

/** CRC-16/XMODEM. */
export function crc16(data: Uint8Array): number {
  let crc = 0;
  for (const byte of data) {
    crc ^= byte << 8;
    for (let i = 0; i < 8; i++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc;
}
