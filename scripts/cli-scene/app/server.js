import { createServer } from 'node:http';
import { report } from './database.js';

const server = createServer(async (_, response) => response.end(await report()));
server.listen(process.env.PORT, '127.0.0.1', () => console.log('listening'));
