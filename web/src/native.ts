/**
 * The compiled kernel: src/kernel and web/kernel as WebAssembly, with SIMD where the browser has it.
 *
 * Its memory is a stack of blocks (web/kernel/memory.c): `within` gives back what is placed inside it.  Views into the memory last until
 * the next allocation only, since its growth replaces the buffer; so they are made anew at each use.
 */

import { InlayError } from "./errors";
import type { Network } from "./network";

/** A place in the kernel's memory. */
export type Address = number;

/** The functions of the kernel; the files of src/kernel and web/kernel say what they do. */
export interface Functions {
  memory: WebAssembly.Memory;
  malloc(bytes: number): Address;
  free(at: Address): void;
  inlaid_restore_wasm(...args: number[]): number;
  inlaid_luma_wasm(rgb: Address, luma: Address, count: number): void;
  inlaid_rgb_wasm(luma: Address, ycc: Address, count: number): void;
  inlaid_shift_wasm(before: Address, after: Address, rgb: Address, count: number): void;
  inlaid_pack_wasm(pixels: Address, rgb: Address, count: number, red: number): void;
  inlaid_upsample_wasm(plane: Address, width: number, y: number, rows: number, out: Address): void;
  inlaid_signed_sums_wasm(luma: Address, height: number, width: number, columns: Address, rows: Address, sums: Address): void;
}

/** The kernel, and the memory that it works in. */
export class Kernel {
  constructor(readonly call: Functions) {}

  /** Room for `bytes` bytes, given back at the end of the `within` around it. */
  room(bytes: number): Address {
    const at = this.call.malloc(bytes);
    if (!at) throw new InlayError(`no memory for ${bytes} bytes`);
    this.held.push(at);
    return at;
  }

  /** A copy of `data` in the kernel's memory. */
  place(data: Uint8Array | Int8Array | Int16Array | Int32Array): Address {
    const at = this.room(data.byteLength);
    this.bytes(at, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return at;
  }

  /** The bytes at a place: a view, not a copy. */
  bytes(at: Address, length: number): Uint8Array {
    return new Uint8Array(this.call.memory.buffer, at, length);
  }

  /** Runs `work`, then gives back the room that it took. */
  within<T>(work: () => T): T {
    const before = this.held.length;
    try {
      return work();
    } finally {
      while (this.held.length > before) this.call.free(this.held.pop()!);
    }
  }

  private readonly held: Address[] = [];
}

/** A network as the kernel reads it: `network` in src/kernel/kernel.h. */
export function description({ channels, layers, kernel, inputs, dilations }: Network): Int32Array {
  const numbers = new Int32Array(12);
  numbers.set([channels, layers, kernel, inputs, ...dilations]);
  return numbers;
}

/** The kernel of these bytes of WebAssembly. */
export async function compile(wasm: BufferSource): Promise<Kernel> {
  const { instance } = await WebAssembly.instantiate(wasm);
  return new Kernel(instance.exports as unknown as Functions);
}

let loaded: Promise<Kernel> | undefined;

/** The kernel, from these bytes or from beside the script; it is loaded once. */
export function load(wasm?: Uint8Array): Promise<Kernel> {
  loaded ??= (wasm ? Promise.resolve(wasm as BufferSource) : fetched()).then(compile).catch((error) => {
    loaded = undefined; // a failed fetch may succeed later
    throw error;
  });
  return loaded;
}

async function fetched(): Promise<BufferSource> {
  const address = new URL(hasSimd() ? "inlaid.wasm" : "inlaid-portable.wasm", import.meta.url);
  const answer = await fetch(address);
  if (!answer.ok) throw new InlayError(`the kernel cannot be loaded: ${answer.status} for ${address}`);
  return answer.arrayBuffer();
}

/** Whether the browser takes a module with one function, which returns v128: `i32.const 0; i8x16.splat`. */
function hasSimd(): boolean {
  const module = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11];
  return WebAssembly.validate(Uint8Array.from(module));
}
