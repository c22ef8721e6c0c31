/**
 * An adaptive binary range coder in integers (FORMAT.md, section 5).
 *
 * A message is one number in an interval.  Each bit cuts the interval at `bound` and keeps one part.  The range starts at 2^32, beyond
 * what `>>` can take, so divisions stand in its place.
 */

const LEAST = 2 ** 24; // a smaller range is scaled by 2^8
const COUNT_STEP = 30; // a coded bit adds this to its count
const COUNT_LIMIT = 2 ** 13; // a larger sum of counts is halved

/** The model of one context: counts of zeros and ones. */
export class Bit {
  constructor(
    private zeros = COUNT_STEP,
    private ones = COUNT_STEP,
  ) {}

  /** Where to cut a range: the range of a 0. */
  bound(range: number): number {
    return Math.floor(range / 2 ** 14) * Math.floor((this.zeros * 2 ** 14) / (this.zeros + this.ones));
  }

  /** Counts a coded bit. */
  learn(bit: number): void {
    if (bit) this.ones += COUNT_STEP;
    else this.zeros += COUNT_STEP;
    if (this.zeros + this.ones > COUNT_LIMIT) {
      this.zeros = (this.zeros + 1) >> 1;
      this.ones = (this.ones + 1) >> 1;
    }
  }
}

/** What encodes or decodes: one function can do both.  A decoder ignores the bit that it is given, and returns the one that it reads. */
export interface Coder {
  /** A bit by its model, which then learns it. */
  bit(model: Bit, bit?: number): number;
  /** A number of `count` plain bits, the highest first. */
  bits(count: number, value?: number): number;
}

/** Turns bytes into bits.  Behind their end it reads zeros. */
export class Decoder implements Coder {
  private position = 0;
  private code = 0;
  private range = 2 ** 32;

  constructor(private readonly data: Uint8Array) {
    for (let i = 0; i < 4; i++) this.code = this.code * 256 + this.next();
  }

  bit(model: Bit): number {
    const bit = this.split(model.bound(this.range));
    model.learn(bit);
    return bit;
  }

  bits(count: number): number {
    let value = 0;
    while (count-- > 0) value = value * 2 + this.split(Math.floor(this.range / 2));
    return value;
  }

  private next(): number {
    return this.data[this.position++] ?? 0;
  }

  private split(bound: number): number {
    const bit = this.code >= bound ? 1 : 0;
    this.code -= bit ? bound : 0;
    this.range = bit ? this.range - bound : bound;
    while (this.range < LEAST) {
      this.code = this.code * 256 + this.next();
      this.range *= 256;
    }
    return bit;
  }
}

/** Turns bits into bytes.  Only the build uses it, for the priors: `low` is a long integer, so it needs no code for carries. */
export class Encoder implements Coder {
  private low = 0n;
  private range = 2 ** 32;
  private shifted = 0;

  bit(model: Bit, bit = 0): number {
    this.narrow(bit, model.bound(this.range));
    model.learn(bit);
    return bit;
  }

  bits(count: number, value = 0): number {
    for (let i = count - 1; i >= 0; i--) this.narrow((value >> i) & 1, Math.floor(this.range / 2));
    return value;
  }

  /** The bytes so far, without zeros at their end. */
  finish(): Uint8Array {
    const length = this.shifted + 4;
    const last = this.low + BigInt(this.range) - 1n;
    let keep = 0;
    let candidate = 0n;
    for (; keep <= length; keep++) {
      const unit = 256n ** BigInt(length - keep);
      candidate = ((this.low + unit - 1n) / unit) * unit;
      if (candidate <= last) break;
    }
    const bytes = Array.from({ length: keep }, (_, i) => Number((candidate >> BigInt(8 * (length - 1 - i))) & 255n));
    while (bytes.at(-1) === 0) bytes.pop();
    return Uint8Array.from(bytes);
  }

  private narrow(bit: number, bound: number): void {
    if (bit) this.low += BigInt(bound);
    this.range = bit ? this.range - bound : bound;
    while (this.range < LEAST) {
      this.low <<= 8n;
      this.range *= 256;
      this.shifted++;
    }
  }
}
