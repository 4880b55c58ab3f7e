// What the hook needs of a store, in one file: see loadRemote in fleet.ts.
export { ProgramRecord, programName } from '../stores/program-record.js';
export { RemoteTier } from './remote-tier.js';
