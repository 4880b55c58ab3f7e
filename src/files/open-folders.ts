import { type Folder, openFolder, openFolderIn } from './folder.js';
import type { Steps } from './steps.js';

const { queueMicrotask } = globalThis;

interface OpenedFolder {
  readonly key: string;
  readonly folder: Folder;
  users: number;
  /** Whether the folder will be closed soon, unless it is used again. */
  isReleased: boolean;
}

/** The folders below one folder. Each is opened once for all that happens before other code of the program runs. */
export class OpenFolders {
  readonly #directory: string;
  readonly #isShared: boolean;
  readonly #opened = new Map<string, OpenedFolder>();

  constructor(directory: string, isShared: boolean) {
    this.#directory = directory;
    this.#isShared = isShared;
  }

  /**
   * Runs a procedure in the folder of a name.
   *
   * @param makes - whether missing folders are created
   * @param steps - gets the folder and the last part of the name
   */
  *use<T>(name: string, makes: boolean, steps: (folder: Folder, own: string) => Steps<T>): Steps<T> {
    const names = name.split('/');
    const own = names.pop() as string;
    const opened = yield* this.#open(names, makes);
    try {
      return yield* steps(opened.folder, own);
    } finally {
      this.#release(opened);
    }
  }

  *#open(names: string[], makes: boolean): Steps<OpenedFolder> {
    const key = names.join('/');
    const known = this.#opened.get(key);
    if (known) {
      known.users++;
      let isUsable = false;
      try {
        isUsable = yield* known.folder.isUsable();
      } finally {
        if (!isUsable) this.#release(known);
      }
      if (isUsable) return known;
      this.#opened.delete(key);
    }
    const opened = { key, folder: yield* this.#openAnew(names, makes), users: 1, isReleased: false };
    this.#opened.set(key, opened);
    return opened;
  }

  *#openAnew(names: string[], makes: boolean): Steps<Folder> {
    if (names.length === 0) return yield* openFolder(this.#directory, this.#isShared, makes);
    const parent = yield* this.#open(names.slice(0, -1), makes);
    try {
      return yield* openFolderIn(parent.folder, names[names.length - 1] as string, makes);
    } finally {
      this.#release(parent);
    }
  }

  /** Keeps the folder open for the next call, until other code of the program runs. */
  #release(opened: OpenedFolder): void {
    opened.users--;
    if (opened.isReleased) return;
    opened.isReleased = true;
    queueMicrotask(() => {
      opened.isReleased = false;
      if (opened.users > 0) return;
      if (this.#opened.get(opened.key) === opened) this.#opened.delete(opened.key);
      opened.folder.close();
    });
  }
}
