import type { Artifact } from '../artifact/artifact.js';
import type { RemoteSettings } from '../settings/read-settings.js';

/** An artifact from the store, checked, on its way into the folder. */
export type FetchedArtifact = Omit<Artifact, 'key' | 'wireBytes'>;

/** Why there is no artifact: the store did not answer as it should, or has something that must not be loaded. */
export interface RemoteFailure {
  failure: string;
  of: 'store' | 'artifact' | 'signature';
}

/** The answer to a question for a module. */
export type Found = FetchedArtifact | 'nothing' | RemoteFailure;

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
