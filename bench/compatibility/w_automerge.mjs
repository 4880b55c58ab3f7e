// Merges two versions of a document.
import * as Automerge from '@automerge/automerge';
import { printResult } from './result.mjs';

let left = Automerge.from({ list: [], text: '' }, { actor: 'aa' });
let right = Automerge.clone(left, { actor: 'bb' });
for (let i = 0; i < 200; i++) {
  left = Automerge.change(left, (doc) => doc.list.push(i));
  right = Automerge.change(right, (doc) => Automerge.splice(doc, ['text'], i, 0, String.fromCharCode(97 + (i % 26))));
}
printResult(Automerge.toJS(Automerge.merge(left, right)));
