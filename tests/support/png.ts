/** Makes the pictures of our docs small: they have few colours. */
import { crc32, deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const COLOURS_MAX = 256;

interface Picture {
  readonly width: number;
  readonly height: number;
  /** The colour of each pixel as 0xRRGGBB, row by row. */
  readonly pixels: Uint32Array;
}

/**
 * The same picture with at most 256 colours; rare ones become their neighbours.
 *
 * @param png With eight bits for each of red, green and blue, and perhaps alpha,
 * as browsers make them. What is transparent becomes opaque.
 */
export function smallerPng(png: Uint8Array): Uint8Array {
  const { width, height, pixels } = read(png);
  const palette = paletteOf(pixels);
  const known = new Map(palette.map((colour, at) => [colour, at]));
  // Each row begins with its filter, and ours has none.
  const rows = new Uint8Array((width + 1) * height);
  pixels.forEach((colour, at) => {
    const place = known.get(colour) ?? nearest(palette, colour);
    known.set(colour, place);
    rows[at + Math.floor(at / width) + 1] = place;
  });
  const header = new Uint8Array(13);
  const fields = new DataView(header.buffer);
  fields.setUint32(0, width);
  fields.setUint32(4, height);
  // Eight bits for each pixel, which say where in the palette it is.
  header.set([8, 3, 0, 0, 0], 8);
  return joined([
    new Uint8Array(SIGNATURE),
    chunk("IHDR", header),
    chunk("PLTE", new Uint8Array(palette.flatMap(channels))),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", new Uint8Array()),
  ]);
}

/** So many are as common as they are, for shadows; the rest are for hues. */
const COMMON = 176;

/** The colours that most pixels have, and others as far apart as it takes. */
function paletteOf(pixels: Uint32Array): number[] {
  const counts = new Map<number, number>();
  for (const colour of pixels) {
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const common = [...counts.keys()].sort((one, other) =>
    (counts.get(other) ?? 0) - (counts.get(one) ?? 0)
  );
  for (let apart = 0;; apart += 1) {
    const palette = common.slice(0, COMMON);
    for (const colour of common.slice(COMMON)) {
      const taken = palette.some((each) =>
        distance(each, colour) <= apart ** 2
      );
      if (!taken) palette.push(colour);
      if (palette.length > COLOURS_MAX) break;
    }
    if (palette.length <= COLOURS_MAX) return palette;
  }
}

function nearest(palette: readonly number[], colour: number): number {
  let best = { place: 0, far: Infinity };
  for (const [place, candidate] of palette.entries()) {
    const far = distance(candidate, colour);
    if (far < best.far) best = { place, far };
  }
  return best.place;
}

/** Squared, as the crow flies. */
function distance(one: number, other: number): number {
  return ((one >> 16) - (other >> 16)) ** 2 +
    (((one >> 8) & 255) - ((other >> 8) & 255)) ** 2 +
    ((one & 255) - (other & 255)) ** 2;
}

function channels(colour: number): number[] {
  return [colour >> 16, (colour >> 8) & 255, colour & 255];
}

function read(png: Uint8Array): Picture {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const width = view.getUint32(16);
  const height = view.getUint32(20);
  const [depth, type, , , interlaced] = png.subarray(24, 29);
  if (depth !== 8 || (type !== 2 && type !== 6) || interlaced !== 0) {
    throw new Error("Cannot read a picture that no browser makes");
  }
  const parts: Uint8Array[] = [];
  for (let at = SIGNATURE.length; at < png.length;) {
    const length = view.getUint32(at);
    const name = new TextDecoder().decode(png.subarray(at + 4, at + 8));
    if (name === "IDAT") parts.push(png.subarray(at + 8, at + 8 + length));
    at += length + 12;
  }
  const bytes = unfiltered(inflateSync(joined(parts)), {
    rowBytes: width * (type === 2 ? 3 : 4),
    pixelBytes: type === 2 ? 3 : 4,
  });
  const step = type === 2 ? 3 : 4;
  const pixels = new Uint32Array(width * height).map((_, at) =>
    ((bytes[at * step] ?? 0) << 16) | ((bytes[at * step + 1] ?? 0) << 8) |
    (bytes[at * step + 2] ?? 0)
  );
  return { width, height, pixels };
}

/** Takes back what each row was filtered by, so that it compressed better. */
function unfiltered(filtered: Uint8Array, { rowBytes, pixelBytes }: {
  readonly rowBytes: number;
  readonly pixelBytes: number;
}): Uint8Array {
  const rows = filtered.length / (rowBytes + 1);
  const bytes = new Uint8Array(rows * rowBytes);
  for (let row = 0; row < rows; row++) {
    const filter = filtered[row * (rowBytes + 1)] ?? 0;
    for (let at = 0; at < rowBytes; at++) {
      const here = row * rowBytes + at;
      const inside = at >= pixelBytes;
      const left = inside ? bytes[here - pixelBytes] ?? 0 : 0;
      const up = row > 0 ? bytes[here - rowBytes] ?? 0 : 0;
      const corner = inside && row > 0
        ? bytes[here - rowBytes - pixelBytes] ?? 0
        : 0;
      const guesses = [
        0,
        left,
        up,
        (left + up) >> 1,
        paeth({ left, up, corner }),
      ];
      const value = filtered[row * (rowBytes + 1) + 1 + at] ?? 0;
      bytes[here] = value + (guesses[filter] ?? 0);
    }
  }
  return bytes;
}

/** The neighbour that is nearest to what a slope would give. */
function paeth({ left, up, corner }: {
  readonly left: number;
  readonly up: number;
  readonly corner: number;
}): number {
  const slope = left + up - corner;
  const [toLeft, toUp, toCorner] = [left, up, corner].map((each) =>
    Math.abs(slope - each)
  ) as [number, number, number];
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

function chunk(name: string, data: Uint8Array): Uint8Array {
  const body = joined([new TextEncoder().encode(name), data]);
  const around = new Uint8Array(body.length + 8);
  const fields = new DataView(around.buffer);
  fields.setUint32(0, data.length);
  around.set(body, 4);
  fields.setUint32(body.length + 4, crc32(body));
  return around;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(
    parts.reduce((bytes, part) => bytes + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
