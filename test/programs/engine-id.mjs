import { V8Engine } from '../../dist/index.js';

console.log(new V8Engine().deterministicId);
