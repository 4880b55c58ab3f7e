// A database in memory, by SQLite's own package.
import sqlite3InitModule from '@sqlite.org/sqlite-wasm';
import { printResult } from './result.mjs';

const sqlite3 = await sqlite3InitModule({ print: () => {}, printErr: () => {} });
const database = new sqlite3.oo1.DB(':memory:');
database.exec('CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)');
database.transaction(() => {
  for (let i = 0; i < 3000; i++) database.exec({ sql: 'INSERT INTO t VALUES (?, ?)', bind: [i, `x${i}`] });
});
printResult(database.selectArrays('SELECT a % 13 AS g, count(*), max(b), avg(a) FROM t GROUP BY g ORDER BY 2, 1'));
