// Compiles and minifies two thousand lines of TypeScript.
import { createHash } from 'node:crypto';
import swc from '@swc/wasm';

let source = '';
for (let i = 0; i < 200; i++) {
  source += `
    export interface Shape${i}<T = unknown> { readonly kind: 'shape${i}'; area(scale?: number): T }
    export class Circle${i} implements Shape${i}<number> {
      readonly kind = 'shape${i}'; static #made = 0;
      constructor(private readonly radius: number, public name?: string) { Circle${i}.#made++; }
      area(scale = ${i}): number { return Math.PI * this.radius ** 2 * (this.name?.length ?? scale); }
      async *walk({ from = 0, ...rest }: { from?: number; [key: string]: unknown }) {
        for (let step = from; step < this.radius; step++) yield { step, ...rest };
      }
    }\n`;
}
const { code } = swc.transformSync(source, {
  jsc: { parser: { syntax: 'typescript' }, target: 'es2015' },
  minify: true,
});
console.log(createHash('sha256').update(code).digest('hex'));
