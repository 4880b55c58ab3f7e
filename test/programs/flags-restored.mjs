import v8 from 'node:v8';
import { V8Engine } from '../../dist/index.js';

const before = v8.cachedDataVersionTag();
if (!new V8Engine().canSerialize) throw new Error('unsupported');
console.log(v8.cachedDataVersionTag() === before ? 'same' : 'changed');
