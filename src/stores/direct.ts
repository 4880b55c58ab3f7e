/**
 * Reads from a store without an event loop and without a client, over plain TCP: for the start of programs, where
 * either takes longer than most artifacts save. It knows the plainest answers only.
 */
export interface DirectReader {
  /** Asks for what is stored under this name. Does not wait. */
  ask(name: string): void;
  /**
   * The answer to what was asked, once; waits up to so many milliseconds for it, and gives `undefined` when it does not come.
   *
   * @throws {AnotherWayError} when it takes a client to understand it; another error, without secrets, when the store
   *   failed. The same again when it is asked for again.
   */
  answer(name: string, milliseconds: number): DirectAnswer | undefined;
  close(): void;
}

/** `undefined` in it: nothing is stored there. */
export interface DirectAnswer {
  bytes: Uint8Array | undefined;
}

/** A redirect, say: nothing is wrong with the store. */
export class AnotherWayError extends Error {}
