"""The rows in asyncio.

  python3 bench/programs/asyncio.py ROW N [...]   as bench/programs/tide.lua
  python3 bench/programs/asyncio.py uvloop ROW N [...]   on uvloop
"""
import sys

sys.path.pop(0)  # or this file would be the module asyncio

import asyncio
import random
import resource
import socket
import time


async def nothing():
    return 1


async def switch(n, width):
    async def spin():
        for _ in range(n // width):
            await asyncio.sleep(0)

    if width == 1:
        await spin()
    else:
        await asyncio.gather(*[spin() for _ in range(width)])


async def spawn(n):
    for _ in range(n):
        await asyncio.create_task(nothing())


async def spawn_all(n):
    tasks = [asyncio.create_task(nothing()) for _ in range(n)]
    for task in tasks:
        await task


async def gather(n):
    await asyncio.gather(*[nothing() for _ in range(n)])


async def queue(n, maxsize, width):
    items = asyncio.Queue(maxsize)

    async def produce():
        for i in range(n // width):
            await items.put(i)

    async def consume():
        for _ in range(n // width):
            await items.get()

    await asyncio.gather(*[f() for _ in range(width) for f in (consume, produce)])


async def permits(permit, n, waiters):
    async def spin():
        for _ in range(n // waiters):
            await permit.acquire()
            permit.release()

    if waiters == 1:
        return await spin()
    await permit.acquire()
    tasks = [asyncio.create_task(spin()) for _ in range(waiters)]
    await asyncio.sleep(0)
    permit.release()
    for task in tasks:
        await task


async def semaphore(n, waiters=1):
    await permits(asyncio.Semaphore(1), n, waiters)


async def lock(n, waiters=1):
    await permits(asyncio.Lock(), n, waiters)


async def timeout(n):
    for _ in range(n):
        async with asyncio.timeout(60):
            await nothing()


async def cancel(n):
    tasks = [asyncio.create_task(asyncio.sleep(60)) for _ in range(n)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def call_soon(n):
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    left = n

    def call():
        nonlocal left
        left -= 1
        if left == 0:
            called.set()

    for _ in range(n):
        loop.call_soon(call)
    await called.wait()


async def timers(n):
    def never():
        pass

    loop = asyncio.get_running_loop()
    handles = [loop.call_later(60 + random.random() * 60, never) for _ in range(n)]
    for handle in handles:
        handle.cancel()
    await asyncio.sleep(0)


async def skynet(n):
    async def sky(first, size):
        if size == 1:
            return first
        part = size // 10
        tasks = [asyncio.create_task(sky(first + i * part, part)) for i in range(10)]
        total = 0
        for task in tasks:
            total += await task
        return total

    assert await sky(0, n) == n * (n - 1) // 2


async def poll(n):
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    near.setblocking(False)
    for _ in range(n):
        ready = loop.create_future()
        loop.add_writer(near, ready.set_result, None)
        await ready
        loop.remove_writer(near)
    near.close()
    far.close()


def resident():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def sleepers(n, seconds):
    before, start = resident(), time.monotonic()
    tasks = [asyncio.create_task(asyncio.sleep(seconds)) for _ in range(n)]
    for task in tasks:
        await task
    late, after = time.monotonic() - start - seconds, resident()
    return "%.0f %.0f %.2f" % ((after - before) / n, after / 1e6, late)


async def process(n, at_once):
    slots, start = asyncio.Semaphore(at_once), time.monotonic()

    async def child():
        async with slots:
            it = await asyncio.create_subprocess_exec("/bin/true", stdin=asyncio.subprocess.DEVNULL)
            assert await it.wait() == 0

    await asyncio.gather(*(child() for _ in range(n)))
    return "%.1f" % ((time.monotonic() - start) / n * 1e6)


async def main(row, n, *numbers):
    start = time.process_time()
    text = await globals()[row](int(n), *map(int, numbers))
    print(text or "%.1f" % ((time.process_time() - start) / int(n) * 1e9))


if sys.argv[1] == "uvloop":
    import uvloop

    uvloop.install()
    del sys.argv[1]
asyncio.run(main(*sys.argv[1:]))
