// Lets boxes fall.
import RAPIER from '@dimforge/rapier3d-compat';
import { printResult } from './result.mjs';

await RAPIER.init();
const world = new RAPIER.World({ x: 0, y: -9.81, z: 0 });
world.createCollider(RAPIER.ColliderDesc.cuboid(50, 0.1, 50));
const bodies = Array.from({ length: 60 }, (_, i) => {
  const body = world.createRigidBody(
    RAPIER.RigidBodyDesc.dynamic().setTranslation((i % 5) * 0.7, 1 + i * 0.8, (i % 7) * 0.6),
  );
  world.createCollider(RAPIER.ColliderDesc.cuboid(0.5, 0.5, 0.5), body);
  return body;
});
for (let i = 0; i < 120; i++) world.step();
printResult(bodies.map((body) => Object.values(body.translation())));
