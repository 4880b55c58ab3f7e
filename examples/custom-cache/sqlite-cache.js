// Your own strategy: modules in a table of SQLite, which is part of Node since version 22.13.
import { DatabaseSync } from 'node:sqlite';
import { CacheError, decodeModule, encodeModule, ModuleCacheBase } from 'wasm-module-cache';

/** Whoever can write to the database can run code in every process that loads from it, so nobody else may write to the file. */
export class SqliteCache extends ModuleCacheBase {
  #database;
  #select;
  #insert;
  #delete;

  /** @param {string} file - the path of the database, or ":memory:" */
  constructor(file) {
    super();
    this.#database = new DatabaseSync(file);
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 1000');
    this.#database.exec(
      'CREATE TABLE IF NOT EXISTS modules (key TEXT, engine TEXT, artifact BLOB, PRIMARY KEY (key, engine)) STRICT',
    );
    this.#select = this.#database.prepare('SELECT artifact FROM modules WHERE key = ? AND engine = ?');
    this.#insert = this.#database.prepare('INSERT OR REPLACE INTO modules VALUES (?, ?, ?)');
    this.#delete = this.#database.prepare('DELETE FROM modules WHERE key = ? AND engine = ?');
  }

  async load(key, engine, options) {
    const row = this.#select.get(`${key}`, engine.deterministicId);
    if (!row) throw new CacheError('NotFound', `No module ${key} in the database`);
    try {
      return await decodeModule(row.artifact, key, engine, options);
    } catch (error) {
      if (!CacheError.is(error, 'Deserialize')) throw error;
      this.#delete.run(`${key}`, engine.deterministicId);
      throw new CacheError('NotFound', `The entry of ${key} was damaged and has been removed`, { cause: error });
    }
  }

  async contains(key, engine) {
    return this.#select.get(`${key}`, engine.deterministicId) !== undefined;
  }

  async save(key, engine, module) {
    this.#insert.run(`${key}`, engine.deterministicId, encodeModule(key, engine, module));
  }

  close() {
    this.#database.close();
  }
}
