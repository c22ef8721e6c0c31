/** The modules by themselves, in Node: round trips, and bytes that try to break them. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inflateSync } from "node:zlib";
import { committed, modules } from "../build.mjs";

const inlaid = await modules();
const GOLDEN = new URL("../../tests/golden/", import.meta.url);
const PRIORS = new URL("../../src/inlaid/priors/", import.meta.url);
const jpegs = readdirSync(GOLDEN).filter((name) => name.endsWith(".jpg"));

/** Numbers below `below`, the same in each run. */
function randomly(seed) {
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
}

test("the range coder gives back what it was given", () => {
  const random = randomly(1);
  for (let round = 0; round < 50; round++) {
    const bits = Array.from({ length: random(300) }, () => [random(3), +(random(10) < round % 11)]);
    const encoder = new inlaid.Encoder();
    const models = () => Array.from({ length: 3 }, () => new inlaid.Bit());
    const [writing, reading] = [models(), models()];
    for (const [context, bit] of bits) context ? encoder.bit(writing[context], bit) : encoder.bits(7, bit * 93);
    const decoder = new inlaid.Decoder(encoder.finish());
    for (const [context, bit] of bits) assert.equal(context ? decoder.bit(reading[context]) : decoder.bits(7), context ? bit : bit * 93);
  }
});

test("every prior is the numbers of its JSON file", async () => {
  for (const name of readdirSync(PRIORS).filter((each) => each.endsWith(".json"))) {
    const { values, exponents, spreads, network } = JSON.parse(readFileSync(new URL(name, PRIORS), "utf8"));
    const number = Number(name.slice(0, 3));
    const found = await inlaid.prior(number, { [number]: readFileSync(join(committed, `priors/${name.slice(0, 3)}.bin`)) });
    assert.deepEqual([...found.values], values, name);
    assert.deepEqual([...found.exponents], exponents, name);
    assert.deepEqual([...found.spreads], spreads, name);
    assert.deepEqual(found.network, network, name);
  }
  assert.throws(() => inlaid.networkOf(200), /the inlay builds on prior 200, which this version does not have/);
});

test("the checksum is CRC-16/XMODEM, and the unit is FORMAT.md's", () => {
  assert.equal(inlaid.crc16(Buffer.from("123456789")), 0x31c3);
  assert.deepEqual([0, 15, 16, 255].map(inlaid.unitSize), [1, 1, 2, 63488]);
});

test("inspect needs the first bytes only, and says what is inside", () => {
  const whole = readFileSync(new URL("fitted-420.jpg", GOLDEN));
  const found = inlaid.inspect(whole.subarray(0, 700));
  assert.deepEqual([found.width, found.height, found.orientation, found.complete], [199, 121, 1, true]);
  assert.deepEqual([found.inlay.state, found.inlay.network.weights > 300, found.inlay.bytes - found.inlay.payloadBytes], ["present", true, 10]);
  const early = inlaid.inspect(whole.subarray(0, 30));
  assert.deepEqual([early.complete, early.inlay, early.width], [false, null, 0]);
});

test("changed files make inspect fail in words or not at all", () => {
  const random = randomly(7);
  for (const name of jpegs) {
    const whole = readFileSync(new URL(name, GOLDEN));
    for (let round = 0; round < 300; round++) {
      const changed = Uint8Array.from(whole.subarray(0, random(2) ? whole.length : random(whole.length)));
      for (let i = random(8); i >= 0 && changed.length; i--) changed[random(Math.min(changed.length, 400))] = random(256);
      try {
        inlaid.inspect(changed);
      } catch (error) {
        assert.match(error.message, /JPEG/, `${name}, round ${round}: ${error.stack}`);
      }
    }
  }
});

test("any coded bytes give parameters that fit, or are refused in words", () => {
  const random = randomly(3);
  for (let round = 0; round < 200; round++) {
    const layers = random(4);
    const dilations = Array.from({ length: layers }, () => 1 + random(8));
    const prior = inlaid.blankPrior(inlaid.network(1 + random(12), layers, 1 + 2 * random(3), dilations, 1 + 2 * random(2)));
    const coded = Uint8Array.from({ length: random(200) }, () => (round % 3 ? random(256) : random(2)));
    try {
      const { parameters, areas } = inlaid.decodeParameters(prior, coded, 1 + random(300), 1 + random(300), inlaid.checkBounds);
      assert.ok(parameters.every((set) => set.length === prior.values.length));
      assert.ok(!areas || Math.max(...areas.numbers) < parameters.length);
    } catch (error) {
      assert.match(error.message, /network/, error.stack);
    }
  }
});

test("networks beyond the format's limits are refused", () => {
  assert.throws(() => inlaid.network(33, 0, 3, [], 1), /33 channels, 0 separable layers, 3x3; expected 1 to 32 channels/);
  assert.throws(() => inlaid.network(1, 1, 3, [9], 3), /dilations \(9,\), 3 inputs/);
  const wide = inlaid.network(1, 0, 3, [], 1);
  const parameters = (last) => new Int16Array(19).fill(last, 10);
  inlaid.checkBounds(wide, parameters(7000));
  assert.throws(() => inlaid.checkBounds(wide, parameters(8000)), /the network's sums can reach 2359361536, beyond 32 bits/);
});

test("a PNG file holds the upright pixels", async () => {
  const [width, height] = [70_000, 3];
  const pixels = Uint8Array.from({ length: width * height }, (_, i) => i % 251);
  const file = Buffer.from(await inlaid.png({ width, height, channels: 1, pixels, orientation: 6, icc: null }).arrayBuffer());
  assert.deepEqual([file.readUInt32BE(16), file.readUInt32BE(20)], [height, width]);
  const parts = [];
  for (let at = 8; at < file.length; at += 12 + file.readUInt32BE(at)) {
    if (file.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(file.subarray(at + 8, at + 8 + file.readUInt32BE(at)));
  }
  const rows = inflateSync(Buffer.concat(parts)); // which checks the Adler-32
  assert.equal(rows.length, width * (height + 1));
  for (const y of [0, 1, 69_999]) for (let x = 0; x < height; x++) assert.equal(rows[y * (height + 1) + 1 + x], pixels[(height - 1 - x) * width + y]);
});
