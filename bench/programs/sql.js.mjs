// Fills and queries a database, as a small command-line tool would.
import { createHash } from 'node:crypto';
import initSqlJs from 'sql.js';

const SQL = await initSqlJs();
const db = new SQL.Database();
db.run('create table person(id integer primary key, name text, team int); begin');
for (let id = 0; id < 4000; id++) db.run('insert into person values(?, ?, ?)', [id, `name ${id * 7919}`, id % 97]);
db.run('commit; create index by_team on person(team)');
const results = [
  db.exec('select team, count(*), max(name) from person group by team order by 3'),
  db.exec(
    'with recursive n(x) as (select 1 union all select x + 1 from n where x < 30000) select sum(x * x % 7) from n',
  ),
  db.exec(
    'select a.name from person a join person b on a.team = b.team where a.id < b.id and b.id % 100 = 0 limit 500',
  ),
];
console.log(createHash('sha256').update(JSON.stringify(results)).digest('hex'));
