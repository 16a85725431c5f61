// What the workers of pools.mjs run: the value comes back, or some steps of arithmetic, those of fan_out.cpp in the 32
// bits that Node has whole numbers of.

import { isMainThread, parentPort, workerData } from 'node:worker_threads';

export function work(seed, loops) {
  let state = (seed + 0x9e3779b9) | 0 || 1;
  for (let i = 0; i < loops; ++i) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
  }
  return state >>> 0;
}

export default function run({ value, seed, loops }) {
  return seed === undefined ? value : work(seed, loops);
}

if (!isMainThread && workerData === 'by_hand') {
  parentPort.on('message', (message) =>
    parentPort.postMessage(run(message), message.moved ? [message.value.buffer] : []),
  );
}
