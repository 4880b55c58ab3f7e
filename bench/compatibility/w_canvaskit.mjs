// Draws a picture and writes it as PNG.
import CanvasKitInit from 'canvaskit-wasm';
import { printResult } from './result.mjs';

const CanvasKit = await CanvasKitInit();
const surface = CanvasKit.MakeSurface(300, 200);
const canvas = surface.getCanvas();
const paint = new CanvasKit.Paint();
paint.setAntiAlias(true);
for (let i = 0; i < 200; i++) {
  paint.setColor(CanvasKit.Color((i * 7) % 256, (i * 13) % 256, (i * 29) % 256, 0.5));
  canvas.drawCircle((i * 37) % 300, (i * 53) % 200, 5 + (i % 40), paint);
}
surface.flush();
printResult(surface.makeImageSnapshot().encodeToBytes());
