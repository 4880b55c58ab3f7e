// Formats and checks a program.
import { Workspace } from '@biomejs/wasm-nodejs';
import { printResult } from './result.mjs';

const workspace = new Workspace();
const { projectKey } = workspace.openProject({ path: '/', openUninitialized: true });
const source = Array.from(
  { length: 100 },
  (_, i) => `export  const f${i}=async(a,b=${i})=>{ var x = a==b ; return  [x,{...a}] }`,
).join('\n');
const path = '/source.js';
workspace.openFile({ projectKey, path, content: { type: 'fromClient', content: source, version: 0 } });
const { code } = workspace.formatFile({ projectKey, path });
printResult(code);
