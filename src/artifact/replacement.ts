import type { Artifact } from './artifact.js';
import type { ArtifactHeader, Coverage } from './header.js';

/** The artifact that is stored under the key now: all of it, or its header where nothing of it is kept. */
type Stored = Artifact | ArtifactHeader;

const MAX_GENERATION = 0xffff_ffff;
const COVERAGES: readonly Coverage[] = ['none', 'hot', 'full'];

/**
 * Compares two artifacts of the same module and engine. This is the one rule for "never replaced by less".
 *
 * - 1: the offered artifact has something that the stored one lacks: more native code, wire bytes, or that it is final.
 * - 0: both have as much. Stores keep what they have. A cache folder stores it, because the generation counts attempts.
 * - -1: the offered artifact has less.
 *
 * What is stored after a 1 or a 0 is what {@link joinArtifacts} returns.
 */
export function compareArtifacts(offered: Artifact, stored: Stored): 1 | 0 | -1 {
  const more = offered.nativeCode.length - nativeLengthOf(stored);
  if (more > 0 || (offered.final && !stored.final) || (offered.wireBytes && !hasWireBytes(stored))) return 1;
  return more === 0 ? 0 : -1;
}

/** Whether {@link joinArtifacts} needs all of the stored artifact, and not only its header. */
export function keepsPartOf(stored: ArtifactHeader, offered: Artifact): boolean {
  return stored.nativeLength > offered.nativeCode.length || (stored.includesWireBytes && !offered.wireBytes);
}

/** The artifact that replaces the stored one: it holds the most native code of both, and what either knows. */
export function joinArtifacts(offered: Artifact, stored: Stored): Artifact {
  const more = offered.nativeCode.length - nativeLengthOf(stored);
  const kept: Partial<Artifact> = 'nativeCode' in stored ? stored : {};
  const best = more < 0 && 'nativeCode' in stored ? stored : offered;
  return {
    ...offered,
    nativeCode: best.nativeCode,
    coverage: more === 0 ? widest(offered.coverage, stored.coverage) : best.coverage,
    // Nobody has looked yet whether more code than that of a final artifact is final.
    final: offered.final || (stored.final && (more === 0 || best === stored)),
    wireBytes: offered.wireBytes ?? kept.wireBytes,
    generation: generationAfter(stored),
  };
}

/** The generation of the artifact that replaces this one. Starts again after the last, so that every artifact can be replaced. */
export function generationAfter({ generation }: Pick<ArtifactHeader, 'generation'>): number {
  return generation < MAX_GENERATION ? generation + 1 : 0;
}

function widest(one: Coverage, other: Coverage): Coverage {
  return COVERAGES.indexOf(one) > COVERAGES.indexOf(other) ? one : other;
}

function nativeLengthOf(stored: Stored): number {
  return 'nativeCode' in stored ? stored.nativeCode.length : stored.nativeLength;
}

function hasWireBytes(stored: Stored): boolean {
  return 'nativeCode' in stored ? stored.wireBytes !== undefined : stored.includesWireBytes;
}
