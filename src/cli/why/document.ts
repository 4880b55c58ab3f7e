import type { Entry, EntryEngine } from '../folder/entries.js';

/** What `wasm-cache why` found out. */
export interface WhyDocument {
  /** The absolute path of the module. */
  module: string;
  moduleSize: number;
  key: string;
  directory: string;
  /** How the node was started that was asked. */
  node: { binary: string; options: string[]; nodeOptions: string | null };
  engine: EntryEngine;
  /** Whether a program in that node would get the module from the cache. */
  hit: boolean;
  /** Where the hit comes from. */
  source: 'folder' | 'store' | null;
  /** Why it is a miss, the most important reason first. Empty for a hit. */
  reasons: Reason[];
  /** The artifact for this engine. */
  artifact: Entry | null;
  /** The module's artifacts for other engines, the most similar engine first. */
  others: { artifact: Entry; why: string[] }[];
  /** The options of that node that change V8's flags, and so its engine; `null` when that was not tried or failed. */
  optionsOfEngine: string[] | null;
  /** How long a process took to load the artifact, for a hit in the folder. */
  loadMilliseconds: number | null;
  /** What matters to some programs only. */
  notes: string[];
}

/** Why a module would not come from the cache. */
export interface Reason {
  code:
    | 'disabled'
    | 'invalid-module'
    | 'too-small'
    | 'unsupported'
    | 'untrusted-folder'
    | 'untrusted-artifact'
    | 'not-found'
    | 'other-engine'
    | 'damaged'
    | 'unsigned'
    | 'other-secret'
    | 'bypassed'
    | 'nothing-optimised'
    | 'quarantined'
    | 'refused'
    | 'not-in-store'
    | 'store-failed';
  message: string;
  /** What to do about it. */
  advice: string | null;
}
