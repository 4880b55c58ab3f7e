// The program of the image: a report from a database, SQLite in WebAssembly.
import initSqlJs from 'sql.js';

const { Database } = await initSqlJs();
const database = new Database();
database.run('CREATE TABLE visits (city TEXT, day INTEGER, count INTEGER)');
const insert = database.prepare('INSERT INTO visits VALUES (?, ?, ?)');
for (let i = 0; i < 5000; i++) insert.run([['Lisbon', 'Oslo', 'Riga'][i % 3], i % 365, (i * 7919) % 101]);
insert.free();
const [{ values }] = database.exec('SELECT city, count(*), sum(count) FROM visits GROUP BY city ORDER BY city');
for (const row of values) console.log(row.join(' '));
