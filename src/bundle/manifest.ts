import type { Artifact } from '../artifact/artifact.js';
import { HEADER_LENGTH } from '../artifact/header.js';
import { SIGNATURE_LENGTH, type Signer } from '../artifact/signature.js';
import { CacheError } from '../cache-error.js';
import { entryName } from '../caches/entry-name.js';
import { describeEngine } from '../engine/engine-id.js';
import { ModuleHash } from '../module-hash.js';
import type { BundledArtifact } from './types.js';

export interface Manifest {
  created: Date;
  artifacts: BundledArtifact[];
}

// The tar file: the manifest; its signature, where there is a secret; the artifacts, as stores have them.
export const MANIFEST = 'manifest.json';
export const SIGNATURE = 'manifest.sig';
const FOLDER = 'artifacts';
/** In hexadecimal digits, and the end of the line. */
export const MAX_SIGNATURE_SIZE = SIGNATURE_LENGTH * 2 + 2;
/** An artifact takes 700 to 900. */
const MAX_BYTES_PER_ARTIFACT = 2048;

const FORMAT = 'wasm-module-cache bundle';
const VERSION = 1;
const SIGNED = 'bundle';
const decoder = new TextDecoder('utf-8', { fatal: true });

/** What an artifact is called in the tar file: where a folder has it. */
export function pathOf(artifact: Pick<Artifact, 'key' | 'engineId'>): string {
  return `${FOLDER}/${entryName(artifact)}`;
}

export function maxManifestSize(maxArtifacts: number): number {
  return MAX_BYTES_PER_ARTIFACT * (maxArtifacts + 1);
}

/** One artifact a line, so that it can be looked through. */
export function encodeManifest({ created, artifacts }: Manifest): Uint8Array {
  const head = JSON.stringify({ format: FORMAT, version: VERSION, created }).slice(0, -1);
  const lines = artifacts.map((artifact) => `\n${JSON.stringify(artifact)}`);
  return Buffer.from(`${head},"artifacts":[${lines.join(',')}\n]}\n`);
}

export function signManifest(manifest: Uint8Array, signer: Signer): Uint8Array {
  return Buffer.from(`${Buffer.from(signer.sign(SIGNED, [manifest])).toString('hex')}\n`);
}

/** @throws {CacheError} kind `Untrusted`. */
export function checkManifest(manifest: Uint8Array, signature: Uint8Array | undefined, signer: Signer): void {
  if (!signature) throw new CacheError('Untrusted', 'The bundle is not signed');
  const digest = Buffer.from(Buffer.from(signature).toString('latin1').trim(), 'hex');
  if (signer.verify(SIGNED, [manifest], digest)) return;
  throw new CacheError('Untrusted', 'The bundle has a signature of another secret, or was changed since it was signed');
}

/**
 * Total: whatever the bytes are, it returns a manifest or throws. That it is true of the artifacts is still to be seen.
 *
 * @throws {CacheError} kind `Deserialize`.
 */
export function decodeManifest(bytes: Uint8Array, maxArtifacts: number): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw damaged('its manifest is not JSON', cause);
  }
  const { format, version, created, artifacts } = fieldsOf(json);
  if (format !== FORMAT) throw damaged('its manifest is not that of a bundle');
  if (version !== VERSION) throw damaged(`format version ${JSON.stringify(version)}, expected ${VERSION}`);
  const date = new Date(typeof created === 'string' ? created : Number.NaN);
  if (Number.isNaN(date.getTime())) throw damaged('its manifest does not say when it was made');
  if (!Array.isArray(artifacts)) throw damaged('its manifest lists no artifacts');
  if (artifacts.length > maxArtifacts) {
    throw damaged(`${artifacts.length} artifacts, more than the option maxArtifacts, ${maxArtifacts}`);
  }
  const decoded = artifacts.map(decodeArtifactEntry);
  if (new Set(decoded.map(({ path }) => path)).size < decoded.length) {
    throw damaged('its manifest names an artifact twice');
  }
  return { created: date, artifacts: decoded };
}

const isText = (field: unknown) => typeof field === 'string' && field !== '';
const isFlag = (field: unknown) => typeof field === 'boolean';
const isCount = (field: unknown) => Number.isSafeInteger(field) && (field as number) >= 0;
const isHash = (field: unknown) => typeof field === 'string' && /^[0-9a-f]{64}$/.test(field);
const isKey = (field: unknown) => typeof field === 'string' && /^([0-9a-f]{64}|[0-9a-f]{16})$/i.test(field);
const isOneOf = (allowed: string[]) => (field: unknown) => allowed.includes(field as string);

/** The fields of an artifact in the manifest; `engine` follows from `engineId`. */
const FIELDS: Record<keyof Omit<BundledArtifact, 'engine'>, (field: unknown) => boolean> = {
  path: isText,
  key: isKey,
  engineId: isText,
  coverage: isOneOf(['none', 'hot', 'full']),
  generation: isCount,
  final: isFlag,
  nativeLength: isCount,
  wireLength: isCount,
  includesWireBytes: isFlag,
  compression: isOneOf(['zstd', 'none']),
  size: (field) => isCount(field) && (field as number) >= HEADER_LENGTH,
  sha256: isHash,
};

function decodeArtifactEntry(value: unknown, index: number): BundledArtifact {
  const fields = fieldsOf(value);
  for (const [name, isValid] of Object.entries(FIELDS)) {
    if (!isValid(fields[name])) throw damaged(`its manifest has no usable ${name} of artifact ${index}`);
  }
  const known = Object.fromEntries(Object.keys(FIELDS).map((name) => [name, fields[name]]));
  const { key, engineId } = known as { key: string; engineId: string };
  return { ...known, key: ModuleHash.parseHex(key), engine: describeEngine(engineId) } as BundledArtifact;
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

export function damaged(reason: string, cause?: unknown): CacheError {
  return new CacheError('Deserialize', `Not a usable bundle: ${reason}`, cause === undefined ? {} : { cause });
}
