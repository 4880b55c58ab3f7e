/**
 * What the hook puts into each new context of `node:vm`. It is a script of its own, evaluated in the context, so that its functions and
 * promises are the context's own: see contexts.ts.
 */
import { install } from './install.js';

/** The argument of the script. */
declare const host: { install: typeof install };

host.install = install;
