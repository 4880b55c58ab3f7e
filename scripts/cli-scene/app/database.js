import initSqlJs from 'sql.js';

/** What the programs of this folder have to do: a few thousand rows, and a report on them. */
export async function report() {
  const { Database } = await initSqlJs();
  const database = new Database();
  database.run('CREATE TABLE orders (id INTEGER PRIMARY KEY, city TEXT, total REAL)');
  const cities = ['Lisbon', 'Oslo', 'Riga'];
  for (let id = 0; id < 5000; id++) {
    database.run('INSERT INTO orders VALUES (?, ?, ?)', [id, cities[id % cities.length], (id * 37) % 101]);
  }
  const [{ values }] = database.exec('SELECT city, count(*), sum(total) FROM orders GROUP BY city ORDER BY city');
  database.close();
  return values.map((row) => row.join(' ')).join('\n');
}
