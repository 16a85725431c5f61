"""Calls that crash their worker, or hang, in the pools of Python: the same work as faults.cpp. Called by: pools.py.

Where a pool cannot go on with such a call, what its user has to do is done and timed: the pool is made anew.
"""

import functools
import json
import os
import signal
import statistics
import time

HANG_LIMIT = 0.05
CRASH_BOUND = 1.0  # of a call that never returns
ANSWER_BOUND = 10.0


def right_answer(number):
    return 3 * number + 1


def ending_call(how, pause, number):
    time.sleep(pause)
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    while how == "hang":
        signal.pause()
    return right_answer(number)


class Failed(Exception):
    """The call has no answer, and the caller knows."""


class OfPool:
    """multiprocessing.Pool. The call of a worker that dies never returns; its worker is replaced. It has no limit of
    a call's time: the caller stops to wait, and the worker is had back only by ending the pool."""

    ever_fails = {"crash": False, "hang": True}

    def __init__(self, workers, open_pool):
        self.workers, self.open_pool = workers, open_pool
        self.pool = open_pool(workers)

    def start(self, how, pause, number):
        return self.pool.submit(ending_call, how, pause, number)

    def take(self, call, seconds=ANSWER_BOUND):
        try:
            return call.get(seconds)
        except Exception as problem:
            raise Failed(repr(problem)) from problem

    def take_fault(self, call, how):
        self.take(call, CRASH_BOUND if how == "crash" else HANG_LIMIT)

    def mend(self, how):
        """Does what makes the pool of use again."""
        if how == "hang":
            self.renew()

    def renew(self):
        self.pool.close()
        self.pool = self.open_pool(self.workers)

    @staticmethod
    def is_over(call):
        return call.ready()


class OfBilliard(OfPool):
    """Has a limit for each call, and an error for a worker that is lost, ten seconds later. Whom else that costs does
    not depend on how long it waits: among others it waits for one."""

    ever_fails = {"crash": True, "hang": True}

    def __init__(self, workers, open_pool):
        wait = {"lost_worker_timeout": 1} if workers > 1 else {}
        super().__init__(workers, functools.partial(open_pool, enable_timeouts=True, **wait))

    def start(self, how, pause, number):
        limit = {"timeout": HANG_LIMIT} if how == "hang" else {}
        return self.pool.pool.apply_async(ending_call, (how, pause, number), **limit)

    def take_fault(self, call, how):
        self.take(call, 60)

    def mend(self, how):
        """There is nothing to do."""


class OfExecutor(OfPool):
    """concurrent.futures.ProcessPoolExecutor. A worker that dies breaks the pool, with all its calls. It has no limit
    of a call's time."""

    ever_fails = {"crash": True, "hang": True}

    def take(self, call, seconds=ANSWER_BOUND):
        try:
            return call.result(seconds)
        except Exception as problem:
            raise Failed(repr(problem)) from problem

    def take_fault(self, call, how):
        self.take(call, HANG_LIMIT if how == "hang" else None)

    def mend(self, how):
        for process in list((self.pool.pool._processes or {}).values()):
            process.kill()  # there is no other way to a worker that hangs
        self.renew()

    @staticmethod
    def is_over(call):
        return call.done()


class OfPebble(OfExecutor):
    """Has a limit for each call, and an error for a worker that is lost."""

    def start(self, how, pause, number):
        limit = HANG_LIMIT if how == "hang" else None
        return self.pool.pool.schedule(ending_call, args=(how, pause, number), timeout=limit)

    def take_fault(self, call, how):
        self.take(call, None)

    def mend(self, how):
        """There is nothing to do."""


KINDS = {"python_pool": OfPool, "python_executor": OfExecutor, "billiard": OfBilliard, "pebble": OfPebble}


class Stuck(Exception):
    """The pool does not answer any more."""


def fault(calls, call, how):
    try:
        calls.take_fault(call, how)
    except Failed:
        return
    raise RuntimeError("a call that must fail has answered")


def answer(calls, call, number, seconds):
    try:
        found = calls.take(call, max(0, seconds))
    except Failed as problem:
        if calls.is_over(call):
            raise
        raise Stuck from problem
    if found != right_answer(number):
        raise RuntimeError("an answer was wrong")


def mend(calls, how):
    """Bounded: a pool whose worker was killed may not be able to end."""

    def stuck(*_):
        raise Stuck

    signal.signal(signal.SIGALRM, stuck)
    signal.alarm(int(ANSWER_BOUND))
    calls.mend(how)
    signal.alarm(0)


def alone(calls, how, seconds):
    error_ns, next_ns = [], []
    answer(calls, calls.start("answer", 0, 0), 0, ANSWER_BOUND)  # warm-up
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next_ns) < 3 and sum(next_ns) < 3e9:
        begin = time.perf_counter_ns()
        call = calls.start(how, 0, 0)
        if calls.ever_fails[how]:
            fault(calls, call, how)
            error_ns.append(time.perf_counter_ns() - begin)
            mend(calls, how)
        number = len(next_ns)
        answer(calls, calls.start("answer", 0, number), number, ANSWER_BOUND)
        next_ns.append(time.perf_counter_ns() - begin)
    found = {"next_ns": statistics.median(next_ns)}
    return found | ({"error_ns": statistics.median(error_ns)} if error_ns else {})


def among_others(calls, how, others):
    pause, length = (0.010, 0.012) if how == "crash" else (0, 0.060)
    answer(calls, calls.start("answer", 0, 0), 0, ANSWER_BOUND)
    failing = calls.start(how, pause, 0)
    started = [calls.start("answer", length, i) for i in range(others)]
    fault(calls, failing, how)
    before = calls.pool
    mend(calls, how)
    lost = 0
    end = time.monotonic() + ANSWER_BOUND
    for i, call in enumerate(started):
        if calls.pool is not before and not calls.is_over(call):
            lost += 1  # nobody is left to answer it
            continue
        try:
            answer(calls, call, i, end - time.monotonic())
        except Failed:
            lost += 1
    return {"lost": lost}


def faults(peer, parts, open_pool):
    """Prints the figures, or that the pool did not answer any more, and ends this process: such a pool may never end as
    it should, and its workers die with this process."""
    calls = KINDS[peer](int(parts["workers"]), open_pool)
    try:
        if int(parts["others"]) != 0:
            found = among_others(calls, parts["fault"], int(parts["others"]))
        else:
            found = alone(calls, parts["fault"], int(parts["for_ms"]) / 1000)
    except Stuck:
        found = {"stuck": 1}
    print(json.dumps(found), flush=True)
    os._exit(0)
