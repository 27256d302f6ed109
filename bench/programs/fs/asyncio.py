"""The rows of files in asyncio, whose threads do the work.

  python3 bench/programs/fs/asyncio.py asyncio|uvloop ROW N FOLDER   as tide.lua
"""
import sys

sys.path.pop(0)  # or this file would be the module asyncio

import asyncio
import os
import time


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


async def small(n, folder):
    slots = asyncio.Semaphore(64)
    start, clock = time.monotonic(), time.process_time()

    async def read(i):
        assert len(await asyncio.to_thread(read_file, f"{folder}/f{i:04d}")) == 1024
        slots.release()

    tasks = []
    for i in range(n):
        await slots.acquire()
        tasks.append(asyncio.create_task(read(i)))
    await asyncio.gather(*tasks)
    print("%.2f %.2f" % ((time.monotonic() - start) * 1e6 / n,
                         (time.process_time() - clock) * 1e6 / n))


async def read(n, folder):
    start, got = time.monotonic(), 0
    with open(f"{folder}/large", "rb", buffering=0) as file:
        while data := await asyncio.to_thread(file.read, 65536):
            got += len(data)
    assert got == n << 20
    print("%.0f" % (n / (time.monotonic() - start)))


async def at(n, folder):
    at, file = 0, os.open(f"{folder}/random", os.O_RDONLY)
    start = time.monotonic()
    for _ in range(n):
        at = (at + 7919 * 4096) % 67108864
        assert len(await asyncio.to_thread(os.pread, file, 4096, at)) == 4096
    print("%.2f" % ((time.monotonic() - start) * 1e6 / n))
    os.close(file)


async def plain(n, folder):
    """In no thread."""
    start, got = time.monotonic(), 0
    with open(f"{folder}/large", "rb", buffering=0) as file:
        while data := file.read(65536):
            got += len(data)
    assert got == n << 20
    print("%.0f" % (n / (time.monotonic() - start)))


system, row, count, folder = sys.argv[1:]
if system == "uvloop":
    import uvloop

    uvloop.install()
asyncio.run({"small": small, "read": read, "at": at, "plain": plain}[row](int(count), folder))
