"""The rows of bench/ in asyncio. Prints what the programs beside it print.

  python3 bench/peers/peer.py ROW N [uvloop]
"""
import asyncio
import resource
import sys
import time

row, n = sys.argv[1], int(sys.argv[2])


async def nothing():
    return 1


async def switch(width=1):
    async def spin():
        for _ in range(n // width):
            await asyncio.sleep(0)

    await asyncio.gather(*[spin() for _ in range(width)])


async def switch1000():
    await switch(1000)


async def spawn():
    for _ in range(n):
        await asyncio.create_task(nothing())


async def gather():
    await asyncio.gather(*[nothing() for _ in range(n)])


async def queue(maxsize=1):
    q = asyncio.Queue(maxsize)

    async def produce():
        for i in range(n):
            await q.put(i)

    task = asyncio.create_task(produce())
    for _ in range(n):
        await q.get()
    await task


async def semaphore():
    sem = asyncio.Semaphore(1)
    for _ in range(n):
        await sem.acquire()
        sem.release()


async def lock():
    lck = asyncio.Lock()
    for _ in range(n):
        await lck.acquire()
        lck.release()


async def timeout():
    for _ in range(n):
        await asyncio.wait_for(nothing(), 60)


async def cancel():
    tasks = [asyncio.create_task(asyncio.sleep(60)) for _ in range(n)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def call_soon():
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    left = n

    def called():
        nonlocal left
        left -= 1
        if left == 0:
            done.set()

    for _ in range(n):
        loop.call_soon(called)
    await done.wait()


async def timers():
    import random

    loop = asyncio.get_running_loop()
    handles = [loop.call_later(60 + random.random() * 60, called) for _ in range(n)]
    for handle in handles:
        handle.cancel()


def called():
    pass


async def skynet(first=0, size=None):
    size = size or n
    if size == 1:
        return first
    part = size // 10
    sums = await asyncio.gather(*[skynet(first + i * part, part) for i in range(10)])
    return sum(sums)


def resident():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def sleepers():
    before, start = resident(), time.monotonic()
    tasks = [asyncio.create_task(asyncio.sleep(3)) for _ in range(n)]
    await asyncio.wait(tasks)
    print("%.0f %.2f" % ((resident() - before) / n, time.monotonic() - start - 3))


async def main():
    if row == "sleepers":
        return await sleepers()
    start = time.process_time()
    await globals()[row]()
    print("%.1f" % ((time.process_time() - start) / n * 1e9))


if sys.argv[3:] == ["uvloop"]:
    import uvloop

    uvloop.install()
asyncio.run(main())
