// Preloaded before the hook: a clock that is wrong. CLOCK is JSON: milliseconds by which it is, in turn from one look to the next.
const { now } = Date;
const shifts = JSON.parse(process.env.CLOCK);
let looks = 0;
Date.now = () => now() + shifts[looks++ % shifts.length];
