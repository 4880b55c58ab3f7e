import type { Artifact } from './artifact.js';
import type { ArtifactHeader, Coverage } from './header.js';

/** The artifact that is stored under the key now, or only its header, if nothing of it is kept. */
type Stored = Artifact | ArtifactHeader;

const MAX_GENERATION = 0xffff_ffff;
const COVERAGES: readonly Coverage[] = ['none', 'hot', 'full'];

/**
 * Compares two artifacts of the same module and engine. This is the one rule for "never replaced by less".
 *
 * - 1: the offered artifact has something that the stored one lacks: more native code, wire bytes, or the mark "final". Of two
 *   final artifacts the one that V8 could optimise for longer is better, because V8's code is better than a learner's.
 * - 0: both have as much. Stores keep theirs. A cache folder stores the offered one, because the generation counts attempts.
 * - -1: the offered artifact has less.
 *
 * After a 1 or a 0, store the result of {@link joinArtifacts}.
 */
export function compareArtifacts(offered: Artifact, stored: Stored): 1 | 0 | -1 {
  const more = moreNativeCode(offered, stored);
  if (more > 0 || (offered.final && !stored.final) || (offered.wireBytes && !hasWireBytes(stored))) return 1;
  return more === 0 ? 0 : -1;
}

/** Whether {@link joinArtifacts} needs the whole stored artifact, and not only its header. */
export function keepsPartOf(stored: ArtifactHeader, offered: Artifact): boolean {
  return moreNativeCode(offered, stored) < 0 || (stored.includesWireBytes && !offered.wireBytes);
}

/** The artifact that replaces the stored one. It has the larger native code of the two, and everything else that either has. */
export function joinArtifacts(offered: Artifact, stored: Stored): Artifact {
  const more = moreNativeCode(offered, stored);
  const kept: Partial<Artifact> = 'nativeCode' in stored ? stored : {};
  const best = more < 0 && 'nativeCode' in stored ? stored : offered;
  return {
    ...offered,
    nativeCode: best.nativeCode,
    hasLearnerCode: best.hasLearnerCode,
    optimisedFor: best.optimisedFor,
    observedFor: Math.max(offered.observedFor, stored.observedFor),
    coverage: more === 0 ? widest(offered.coverage, stored.coverage) : best.coverage,
    // It is unknown whether more code than that of a final artifact is final, too.
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

/** More than 0 if the offered artifact has the better native code, less than 0 if the stored one has. */
function moreNativeCode(offered: Artifact, stored: Stored): number {
  const longer = offered.final && stored.final ? offered.optimisedFor - stored.optimisedFor : 0;
  return longer || offered.nativeCode.length - nativeLengthOf(stored);
}

function nativeLengthOf(stored: Stored): number {
  return 'nativeCode' in stored ? stored.nativeCode.length : stored.nativeLength;
}

function hasWireBytes(stored: Stored): boolean {
  return 'nativeCode' in stored ? stored.wireBytes !== undefined : stored.includesWireBytes;
}
