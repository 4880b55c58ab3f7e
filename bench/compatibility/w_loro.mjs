// Merges two versions of a document.
import { LoroDoc } from 'loro-crdt';
import { printResult } from './result.mjs';

const documents = [1n, 2n].map((peer) => {
  const document = new LoroDoc();
  document.setPeerId(peer);
  for (let i = 0; i < 500; i++) document.getText('text').insert(i, String.fromCharCode(97 + ((i * Number(peer)) % 26)));
  document.commit();
  return document;
});
documents[0].import(documents[1].export({ mode: 'update' }));
printResult(documents[0].toJSON());
