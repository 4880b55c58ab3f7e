import { report } from './database.js';

console.log(await report());
