// Prints why a process of the given executable would start no learner.
process.execPath = process.argv[2];
const { whyNoLearner } = await import('../../dist/learning/start-learner.js');
console.log(whyNoLearner() ?? 'it would');
