// Lays out boxes.
import Yoga from 'yoga-layout';
import { printResult } from './result.mjs';

const root = Yoga.Node.create();
root.setWidth(800);
root.setFlexWrap(Yoga.WRAP_WRAP);
root.setFlexDirection(Yoga.FLEX_DIRECTION_ROW);
const boxes = Array.from({ length: 2000 }, (_, i) => {
  const box = Yoga.Node.create();
  box.setWidth(20 + (i % 37));
  box.setHeight(10 + (i % 11));
  box.setMargin(Yoga.EDGE_ALL, i % 5);
  root.insertChild(box, i);
  return box;
});
root.calculateLayout(800, undefined, Yoga.DIRECTION_LTR);
printResult(boxes.map((box) => box.getComputedLayout()));
