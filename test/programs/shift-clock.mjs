// Preloaded before the hook. Makes the clock wrong. CLOCK is a JSON array of milliseconds, one for each time the clock is read, in turn.
const { now } = Date;
const shifts = JSON.parse(process.env.CLOCK);
let looks = 0;
Date.now = () => now() + shifts[looks++ % shifts.length];
