/** Whether this thread is a worker. Node marks the functions that workers do not have; to ask node:worker_threads takes 2 ms. */
export const isWorker = (process.abort as { disabled?: boolean }).disabled === true;
