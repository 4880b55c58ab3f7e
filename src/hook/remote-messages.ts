import type { MessagePort } from 'node:worker_threads';
import type { Artifact } from '../artifact/artifact.js';
import type { RemoteSettings } from '../settings/read-settings.js';

/** An artifact from the store, checked. */
export type FetchedArtifact = Omit<Artifact, 'key' | 'wireBytes'>;

/** Why there is no artifact: the store failed, or it has something that must not be loaded. */
export interface RemoteFailure {
  failure: string;
  of: 'store' | 'artifact' | 'signature';
}

/** A request of the program's thread. */
export interface Question {
  key: string;
  wireLength: number;
}

/** The result for one module. `in folder`: the thread has put the artifact there. */
export type Found = FetchedArtifact | 'in folder' | 'nothing' | RemoteFailure;

/** The answer for one module or, without a key, for all modules of the program record. */
export interface Answer {
  key: string | undefined;
  found: Found;
}

/** The settings of the thread that asks the store. */
export interface RemoteTask extends Pick<RemoteSettings, 'url' | 'allowUnsigned'> {
  directory: string;
  secrets: readonly string[] | undefined;
  maxSize: number | undefined;
  /** Milliseconds after which an answer of the store is no longer of use, not even for the next run. */
  patience: number;
  /** The name of the program record, if its modules are to be fetched. */
  program: string | undefined;
}

/** The means of the thread to answer. */
export interface ThreadTask extends RemoteTask {
  /** First the number of answers, for a thread that waits without an event loop; second whether the store was asked for anything yet. */
  progress: Int32Array;
  port: MessagePort;
}
