/** The folder of program records, in a cache folder and in a store. */
export const PROGRAMS_FOLDER = 'programs';
