// A web server with a database in memory, SQLite in WebAssembly. It does not know about the cache.
import { createServer } from 'node:http';
import initSqlJs from 'sql.js';

const { Database } = await initSqlJs();
const database = new Database();
database.run('CREATE TABLE cities (name TEXT, visitors INTEGER)');
const insert = database.prepare('INSERT INTO cities VALUES (?, ?)');
for (let i = 0; i < 5000; i++) insert.run([['Lisbon', 'Oslo', 'Riga'][i % 3], (i * 7919) % 101]);
insert.free();

const server = createServer((request, response) => {
  const { searchParams } = new URL(request.url, 'http://localhost');
  const [result] = database.exec(
    'SELECT name, count(*), sum(visitors) FROM cities WHERE visitors >= ? GROUP BY name ORDER BY name',
    [Number(searchParams.get('atLeast') ?? 0)],
  );
  response.setHeader('content-type', 'application/json').end(JSON.stringify(result?.values ?? []));
});
server.listen(process.env.PORT ?? 8080, () => console.log(`http://localhost:${server.address().port}`));

// With these handlers the process ends by itself, and the hook saves at its exit what V8 has optimised.
process.once('SIGTERM', () => server.close());
process.once('SIGINT', () => server.close());
