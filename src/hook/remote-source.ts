import type { Artifact } from '../artifact/artifact.js';
import type { RemoteSettings } from './settings.js';

/** An artifact from the store, checked, on its way into the folder. */
export type FetchedArtifact = Omit<Artifact, 'key' | 'wireBytes'>;

/** Why there is no artifact: the store did not answer as it should, or has something that is not to be loaded. */
export interface RemoteFailure {
  failure: string;
  of: 'store' | 'artifact' | 'signature';
}

/** What came of asking for a module. */
export type Found = FetchedArtifact | 'nothing' | RemoteFailure;

/** What a way to the store is told when it begins. */
export interface RemoteTask extends Pick<RemoteSettings, 'url' | 'allowUnsigned'> {
  directory: string;
  secrets: readonly string[] | undefined;
  maxSize: number | undefined;
  /** Milliseconds after which an answer of the store is not wanted any more, not even for the next run. */
  patience: number;
  /** The name of the program's list, when what it tells of is to be fetched. */
  program: string | undefined;
}

/** A way to the store that does not take the program's event loop. What comes is put into the folder, too. */
export interface RemoteSource {
  /** Whether anything was asked of the store yet. */
  readonly hasAsked: boolean;
  /** Whether something came that is not in the folder, and needs {@link keep}. */
  readonly isUnkept: boolean;
  /** Asks for a module. Does not wait. */
  ask(key: string): void;
  /** A module of so many wire bytes will be asked for: what came and may be it is unpacked meanwhile. Never throws. */
  prepare(wireLength: number): void;
  /**
   * What came of asking for it, once; waits up to so many milliseconds, and gives `undefined` when that is not known yet.
   *
   * @throws {AnotherWayError} when this is not the way.
   */
  answer(key: string, milliseconds: number): Found | undefined;
  /**
   * Goes on with what the program's list tells of, when it comes within so many milliseconds. Throws as `answer`.
   *
   * @returns whether there is nothing to go on with any more.
   */
  advance(milliseconds: number): boolean;
  /** Puts what came into the folder. */
  keep(): void;
  close(): void;
}
