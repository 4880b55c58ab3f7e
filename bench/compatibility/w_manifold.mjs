// Cuts bodies out of each other.
import Module from 'manifold-3d';
import { printResult } from './result.mjs';

const manifold = await Module();
manifold.setup();
const { Manifold } = manifold;
let body = Manifold.cube([20, 20, 20], true);
for (let i = 0; i < 20; i++) {
  body = body.subtract(
    Manifold.sphere(3, 32).translate([(i % 5) * 4 - 8, ((i * 3) % 7) * 3 - 9, ((i * 5) % 9) * 2 - 8]),
  );
}
const { vertProperties, triVerts } = body.getMesh();
printResult([body.volume().toFixed(4), triVerts.length, vertProperties.length]);
