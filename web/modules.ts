/** What the build, the tests and the benchmark use of the sources. */
export { decode, decodePixels, inspect, restorePlanes, signedSums } from "./src/decoder";
export { png } from "./src/png";
export { upright } from "./src/orientation";
export { Decoder, Encoder, Bit } from "./src/rangecoder";
export { blankPrior, codeLevels, decode as decodeParameters } from "./src/parameters";
export { read as readPayload, crc16 } from "./src/payload";
export { distance, matches, unitSize } from "./src/fingerprint";
export { checkBounds, network, size, weights } from "./src/network";
export { compile, description } from "./src/native";
export { code, networkOf, placeOf, prior } from "./src/priors";
export * as jpeg from "./src/formats/jpeg";
export * as metadata from "./src/formats/metadata";
export { luma } from "./src/colour";
export { decodeBase } from "./src/planes";
