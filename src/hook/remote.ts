// All that the hook needs for a store, in one file: only programs with a store load it, and it would cost all others 0.7 ms.
export { Fleet } from './fleet.js';
