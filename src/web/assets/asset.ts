import { ASSETS } from "../assets.gen.ts";

/** A file of ours as it is served: its name carries the hash of its content. */
export interface Asset {
  /** As it lies beside this file. */
  readonly name: string;
  /** As it is served, such as `app.3f9c2a7b.css`. */
  readonly file: string;
  readonly type: string;
  readonly text: string;
}

/** The names of our files. */
export type AssetName = typeof ASSETS[number]["name"];

/** The name under which a file is served now. */
export function assetFile(name: AssetName): string {
  return FILES[name];
}

/** The file that is served under a name, or `null`. */
export function findAsset(file: string): Asset | null {
  return ASSETS.find((asset) => asset.file === file) ?? null;
}

const FILES = Object.fromEntries(
  ASSETS.map(({ name, file }) => [name, file]),
) as Record<AssetName, string>;
