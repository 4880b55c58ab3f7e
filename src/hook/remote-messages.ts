import type { MessagePort } from 'node:worker_threads';
import type { Artifact } from '../artifact/artifact.js';
import type { RemoteSettings } from '../settings/read-settings.js';

/** An artifact from the store, checked. */
export type FetchedArtifact = Omit<Artifact, 'key' | 'wireBytes'>;

/** Why there is no artifact: the store did not answer as it should, or has something that must not be loaded. */
export interface RemoteFailure {
  failure: string;
  of: 'store' | 'artifact' | 'signature';
}

/** What the program's thread asks for. */
export interface Question {
  key: string;
  wireLength: number;
}

/** What came of asking for a module. `in folder`: the thread has put it there. */
export type Found = FetchedArtifact | 'in folder' | 'nothing' | RemoteFailure;

/** The answer for one module, or, without a key, for all that the program's record names. */
export interface Answer {
  key: string | undefined;
  found: Found;
}

/** What the thread that asks the store must know. */
export interface RemoteTask extends Pick<RemoteSettings, 'url' | 'allowUnsigned'> {
  directory: string;
  secrets: readonly string[] | undefined;
  maxSize: number | undefined;
  /** Milliseconds after which an answer of the store is not wanted any more, not even for the next run. */
  patience: number;
  /** The name of the program's record, when what it names is to be fetched. */
  program: string | undefined;
}

/** How the thread answers. */
export interface ThreadTask extends RemoteTask {
  /** First, how many answers were given, for who waits for one without an event loop; second, whether the store was asked for anything yet. */
  progress: Int32Array;
  port: MessagePort;
}
