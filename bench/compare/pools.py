"""The pools that a Python program would choose: pools.py PEER WORK [NAME=VALUE...], as selvage_peers is called.

Prints its figures as a JSON object. Ends with 3 where the peer is not installed or does not do this work.
"""

import collections
import ctypes
import functools
import json
import multiprocessing
import os
import queue
import resource
import signal
import sys
import time

import pools_faults

PAYLOADS = {"empty": None, "int": 7, "json": '{"id":12345}', "text": "t" * 64}


def echo(value):
    return value


def work(seed, loops):
    """The same steps as in arithmetic.hpp. Their cost is Python's: it is compared with a loop of Python's."""
    state = (seed + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    for _ in range(loops):
        state ^= state >> 12
        state ^= (state << 25) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 27
    return state & 0xFFFFFFFF


class Multiprocessing:
    """multiprocessing.Pool, or billiard's of the same form."""

    def __init__(self, workers, module=multiprocessing, **options):
        self.pool = module.Pool(workers, **options)

    def submit(self, function, *arguments):
        return self.pool.apply_async(function, arguments)

    def submit_then(self, done, function, *arguments):
        """`done`: takes the result, in a thread of the pool's."""
        self.pool.apply_async(function, arguments, callback=done)

    @staticmethod
    def take(handle):
        return handle.get()

    def map(self, function, arguments, chunk=None):
        """`chunk`: items in a message; None: as many as the pool thinks."""
        return self.pool.starmap(function, arguments, chunk)

    def close(self):
        self.pool.terminate()
        self.pool.join()


class Executor:
    """concurrent.futures.ProcessPoolExecutor, or pebble's pool."""

    def __init__(self, executor):
        self.pool = executor

    def submit(self, function, *arguments):
        return self.pool.submit(function, *arguments)

    def submit_then(self, done, function, *arguments):
        self.submit(function, *arguments).add_done_callback(lambda future: done(future.result()))

    @staticmethod
    def take(handle):
        return handle.result()

    def map(self, function, arguments, chunk=None):
        return list(self.pool.map(function, *zip(*arguments), **({"chunksize": chunk} if chunk else {})))

    def close(self):
        self.pool.shutdown()


class Pebble(Executor):
    def submit(self, function, *arguments):
        return self.pool.schedule(function, args=arguments)

    def map(self, function, arguments, chunk=None):
        return list(self.pool.map(function, *zip(*arguments), **({"chunksize": chunk} if chunk else {})).result())

    def close(self):
        self.pool.stop()
        self.pool.join()


class Nothing:
    """A program without a pool: what it takes itself."""

    def __init__(self, workers):
        pass

    def close(self):
        pass


def kind_of(peer):
    """Returns: what opens a pool of so many workers. Imports what it needs."""
    if peer == "python_alone":
        return Nothing
    if peer == "python_pool":
        return Multiprocessing
    if peer == "python_executor":
        from concurrent.futures import ProcessPoolExecutor

        return lambda workers: Executor(ProcessPoolExecutor(workers))
    if peer == "billiard":
        from billiard import pool

        return functools.partial(Multiprocessing, module=pool)
    if peer == "pebble":
        from pebble import ProcessPool

        return lambda workers: Pebble(ProcessPool(max_workers=workers))
    raise ImportError("there is no such peer")


def time_each(call, seconds):
    """As in work.hpp."""
    warm_at = time.perf_counter() + seconds
    for _ in range(50):
        call()
        if time.perf_counter() >= warm_at:
            break
    times = []
    before = begin = time.perf_counter_ns()
    end = begin + int(seconds * 1e9)
    while before < end and len(times) < 200_000:
        call()
        now = time.perf_counter_ns()
        times.append(now - before)
        before = now
    mean = (before - begin) / len(times)
    times.sort()
    parts = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    return {name: times[int(part * (len(times) - 1))] for name, part in parts.items()} | {"mean": mean}


def tiny(pool, parts):
    value = PAYLOADS[parts["payload"]]
    seconds = int(parts["for_ms"]) / 1000
    in_flight = int(parts["in_flight"])
    if in_flight == 1:
        return time_each(lambda: pool.take(pool.submit(echo, value)), seconds)
    window = collections.deque(pool.submit(echo, value) for _ in range(in_flight))
    calls = 0
    begin = time.perf_counter()
    while (now := time.perf_counter()) - begin < seconds:
        for _ in range(16):
            if pool.take(window.popleft()) != value:
                raise RuntimeError("another answer has come back")
            window.append(pool.submit(echo, value))
        calls += 16
    while window:
        pool.take(window.popleft())
    return {"per_second": calls / (now - begin)}


def bulk(pool, parts):
    """Looks at each answer's length and last byte, and at the whole of the last one, as bulk.cpp does."""
    size = int(parts["size"])
    value = {"bytes": b"Z", "string": "Z"}[parts["form"]] * size

    def call():
        answer = pool.take(pool.submit(echo, value))
        if len(answer) != size or answer[-1] != value[-1]:
            raise RuntimeError("another answer has come back")
        return answer

    found = time_each(call, int(parts["for_ms"]) / 1000)
    if call() != value:
        raise RuntimeError("an answer has come back changed")
    return found


def fan_out(pool, parts):
    items, loops, workers = int(parts["items"]), int(parts["loops"]), int(parts["workers"])
    pool.map(work, [(i, 0) for i in range(4 * workers)], 1)
    begin = time.perf_counter_ns()
    expected = sum(work(i, loops) for i in range(items))
    alone = time.perf_counter_ns() - begin
    chunk = max(1, items // (16 * workers))
    begin = time.perf_counter_ns()
    found = sum(pool.map(work, [(i, loops) for i in range(items)], chunk))
    took = time.perf_counter_ns() - begin
    if found != expected:
        raise RuntimeError("the sum was wrong")
    return {"ns": took, "alone_ns": alone}


def loops_of(parts):
    """Of each item of a mix."""
    loops = [int(parts["loops"])] * int(parts["items"])
    for i in parts["long"].split(","):
        loops[int(i)] = int(parts["long_loops"])
    return loops


def one_by_one(pool, loops, window):
    """Returns: the results, and what each took from when it was handed over."""
    answers = queue.SimpleQueue()
    begun = {}
    results, took = [0] * len(loops), [0] * len(loops)
    for answered in range(len(loops)):
        while len(begun) < len(loops) and len(begun) - answered < window:
            i = len(begun)
            begun[i] = time.perf_counter_ns()
            pool.submit_then(lambda result, i=i: answers.put((i, result, time.perf_counter_ns())), work, i, loops[i])
        i, results[i], end = answers.get()
        took[i] = end - begun[i]
    return results, took


def skew(pool, parts):
    loops = loops_of(parts)
    pool.map(work, [(i, 0) for i in range(4 * int(parts["workers"]))], 1)
    begin = time.perf_counter_ns()
    expected = [work(i, each) for i, each in enumerate(loops)]
    found = {"alone_ns": time.perf_counter_ns() - begin}
    begin = time.perf_counter_ns()
    if parts["chunk"] == "default":
        results = pool.map(work, list(enumerate(loops)))
        found["ns"] = time.perf_counter_ns() - begin
    else:
        results, took = one_by_one(pool, loops, int(parts["window"]))
        found["ns"] = time.perf_counter_ns() - begin
        short = sorted(each for i, each in enumerate(took) if loops[i] == int(parts["loops"]))
        found["short_p99"] = short[int(0.99 * (len(short) - 1))]
    if results != expected:
        raise RuntimeError("a result was wrong")
    return found


def footprint(pool, parts):
    """Holds the pool until the end of the input, idle after it was busy."""
    found = {}
    if not isinstance(pool, Nothing):
        if pool.take(pool.submit(echo, 7)) != 7:
            raise RuntimeError("another answer has come back")
        found["first_ns"] = time.perf_counter_ns() - parts["begun"]
        for handle in [pool.submit(echo, i) for i in range(500)]:
            pool.take(handle)
    print("ready", flush=True)
    sys.stdin.read()
    return found


def die_with_parent():
    """The workers of whatever pool, where this process ends without them."""
    libc = ctypes.CDLL(None)
    pr_set_pdeathsig = 1
    parent = os.getpid()

    def in_child():
        libc.prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    os.register_at_fork(after_in_child=in_child)


def main():
    die_with_parent()
    peer, what = sys.argv[1:3]
    parts = dict(each.split("=", 1) for each in sys.argv[3:])
    try:
        kind = kind_of(peer)
    except ImportError as problem:
        print(f"{peer}: {problem}", file=sys.stderr)
        return 3
    if what == "faults":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump is not what is timed
        pools_faults.faults(peer, parts, kind)  # ends the process
    parts["begun"] = time.perf_counter_ns()
    pool = kind(int(parts.get("workers", 1)))
    try:
        works = {"tiny": tiny, "bulk": bulk, "fan-out": fan_out, "skew": skew, "footprint": footprint}
        print(json.dumps(works[what](pool, parts)))
    finally:
        pool.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
