// Everything that the hook needs for a store, as a separate file: only programs with a store load it, which takes 0.7 ms.
export { Fleet } from './fleet.js';
