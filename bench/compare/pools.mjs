// The pools that a Node program would choose: pools.mjs PEER WORK [NAME=VALUE...], as selvage_peers is called. Prints
// its figures as a JSON object. Ends with 3 where the peer is not installed or does not do this work.

import { Worker } from 'node:worker_threads';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const payloads = { empty: undefined, int: 7, json: '{"id":12345}', text: 't'.repeat(64) };
const here = new URL('.', import.meta.url);
const task = new URL('pools_task.mjs', here);

/** One thread and messages by hand, answered in order: the least that Node can do. */
class Threads {
  constructor(workers) {
    this.workers = Array.from({ length: workers }, () => new Worker(task, { workerData: 'by_hand' }));
    this.waiting = this.workers.map(() => []);
    this.workers.forEach((worker, i) => worker.on('message', (value) => this.waiting[i].shift()(value)));
    this.next = 0;
  }
  run(message, moved = []) {
    const i = this.next++ % this.workers.length;
    return new Promise((resolve) => {
      this.waiting[i].push(resolve);
      this.workers[i].postMessage(message, moved);
    });
  }
  async close() {
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }
}

class Library {
  constructor(pool) {
    this.pool = pool;
  }
  run(message) {
    return this.pool.run(message);
  }
  close() {
    return this.pool.destroy();
  }
}

/** What opens a pool of so many workers; null for a program without one. Loads what it needs. */
async function kindOf(peer) {
  if (peer === 'node_alone') return () => null;
  if (peer === 'node_threads') return (workers) => new Threads(workers);
  // The libraries are where `./dev compare` has put them.
  const from = createRequire(process.env.SELVAGE_NODE_MODULES + '/package.json');
  const load = async (name) => {
    const all = await import(pathToFileURL(from.resolve(name)));
    return all.default ?? all;
  };
  const size = (workers) => ({ filename: task.pathname, minThreads: workers, maxThreads: workers });
  const [library, rest] = {
    piscina: ['piscina', {}],
    tinypool: ['tinypool', {}],
    tinypool_processes: ['tinypool', { runtime: 'child_process' }],
  }[peer];
  const Pool = await load(library);
  return (workers) => new Library(new Pool({ ...size(workers), ...rest }));
}

const now = () => Number(process.hrtime.bigint());

/** As in work.hpp. */
async function timeEach(call, forNs) {
  const warmAt = now() + forNs;
  for (let i = 0; i < 200 && now() < warmAt; ++i) await call();
  const times = [];
  const begin = now();
  let before = begin;
  while (before < begin + forNs && times.length < 200000) {
    await call();
    const then = now();
    times.push(then - before);
    before = then;
  }
  const mean = (before - begin) / times.length;
  times.sort((a, b) => a - b);
  const at = (part) => times[Math.floor(part * (times.length - 1))];
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), mean };
}

async function tiny(pool, parts) {
  const value = payloads[parts.payload];
  const message = { value };
  const inFlight = Number(parts.in_flight);
  const forNs = Number(parts.for_ms) * 1e6;
  const call = () => pool.run(message);
  if (inFlight === 1) return timeEach(call, forNs);
  for (let i = 0; i < 200; ++i) await call();
  // So many chains, each with one call at a time.
  const begin = now();
  let calls = 0;
  const chain = async () => {
    while (now() - begin < forNs) {
      if ((await pool.run(message)) !== value) throw new Error('another answer has come back');
      ++calls;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, chain));
  return { per_second: (calls * 1e9) / (now() - begin) };
}

/**
 * Looks at each answer's length and last element, and at the whole of the last one, as bulk.cpp does. A moved payload
 * is given away and comes back the same: only its owner changes.
 */
async function bulk(pool, parts) {
  const size = Number(parts.size);
  const filled = () => (parts.form === 'string' ? 'Z'.repeat(size) : new Uint8Array(size).fill(90));
  const moved = parts.form === 'moved';
  let value = filled();
  const last = value[size - 1];
  const call = async () => {
    const answer = await pool.run({ value, moved }, moved ? [value.buffer] : []);
    if (answer.length !== size || answer[size - 1] !== last) throw new Error('another answer has come back');
    if (moved) value = answer;
    return answer;
  };
  const found = await timeEach(call, Number(parts.for_ms) * 1e6);
  if (Buffer.compare(Buffer.from(await call()), Buffer.from(filled())) !== 0)
    throw new Error('an answer has come back changed');
  return found;
}

async function fanOut(pool, parts) {
  const { work } = await import(task);
  const [items, loops] = [Number(parts.items), Number(parts.loops)];
  for (let i = 0; i < 50; ++i) await pool.run({ seed: i, loops: 10 });
  work(0, 100000); // compiled
  let begin = now();
  let expected = 0;
  for (let i = 0; i < items; ++i) expected += work(i, loops);
  const alone = now() - begin;
  begin = now();
  let found = 0;
  let next = 0;
  const chain = async () => {
    while (next < items) {
      const one = await pool.run({ seed: next++, loops });
      found += one;
    }
  };
  await Promise.all(Array.from({ length: Math.min(items, 64 * Number(parts.workers)) }, chain));
  const took = now() - begin;
  if (found !== expected) throw new Error('the sum was wrong');
  return { ns: took, alone_ns: alone };
}

async function skew(pool, parts) {
  const { work } = await import(task);
  const loops = Array(Number(parts.items)).fill(Number(parts.loops));
  for (const i of parts.long.split(',')) loops[i] = Number(parts.long_loops);
  for (let i = 0; i < 50; ++i) await pool.run({ seed: i, loops: 10 });
  work(0, 100000); // compiled
  let begin = now();
  const expected = loops.map((each, i) => work(i, each));
  const alone = now() - begin;
  const short = [];
  let next = 0;
  const chain = async () => {
    while (next < loops.length) {
      const i = next++;
      const handedOver = now();
      const result = await pool.run({ seed: i, loops: loops[i] });
      if (loops[i] === Number(parts.loops)) short.push(now() - handedOver);
      if (result !== expected[i]) throw new Error('a result was wrong');
    }
  };
  begin = now();
  await Promise.all(Array.from({ length: Number(parts.window) }, chain));
  const took = now() - begin;
  short.sort((a, b) => a - b);
  return { ns: took, alone_ns: alone, short_p99: short[Math.floor(0.99 * (short.length - 1))] };
}

/** Holds the pool until the end of the input, idle after it was busy. */
async function footprint(pool, parts) {
  const found = {};
  if (pool) {
    if ((await pool.run({ value: 7 })) !== 7) throw new Error('another answer has come back');
    found.first_ns = now() - parts.begun;
    await Promise.all(Array.from({ length: 500 }, (_, value) => pool.run({ value })));
  }
  console.log('ready');
  for await (const _ of process.stdin);
  return found;
}

const [peer, work, ...rest] = process.argv.slice(2);
const parts = Object.fromEntries(rest.map((each) => each.split(/=(.*)/s, 2)));
let kind;
try {
  kind = await kindOf(peer);
} catch (problem) {
  console.error(`${peer}: ${problem.message}`);
  process.exit(3);
}
parts.begun = now();
const pool = kind(Number(parts.workers ?? 1));
console.log(JSON.stringify(await { tiny, bulk, 'fan-out': fanOut, skew, footprint }[work](pool, parts)));
await pool?.close();
process.exit(0);
