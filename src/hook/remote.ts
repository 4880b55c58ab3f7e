// What the hook needs of a store, in one file: see loadRemote in hook.ts.
export { ProgramList, programName } from '../stores/program-list.js';
export { RemoteTier } from './remote-tier.js';
