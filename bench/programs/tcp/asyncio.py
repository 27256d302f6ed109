"""The server of the TCP rows in asyncio, with its streams or with a protocol.

  python3 bench/programs/tcp/asyncio.py asyncio|uvloop streams|protocol MODE
                                       as bench/programs/tcp/tide.lua
"""
import sys

sys.path.pop(0)  # or this file would be the module asyncio

import asyncio

BACKLOG = 511
BLOCK = b"abcdefghijklmnop" * 4096
ROOM = 262144


# ---- streams


async def echo(reader, writer):
    while data := await reader.read(ROOM):
        writer.write(data)
        await writer.drain()


async def once(reader, writer):
    writer.write(await reader.read(ROOM))
    await writer.drain()


async def sink(reader, writer):
    count = 0
    while data := await reader.read(ROOM):
        count += len(data)
    writer.write(b"%d\n" % count)
    await writer.drain()


async def source(reader, writer):
    left = int(await reader.readline())
    while left > 0:
        writer.write(BLOCK[:left])
        left -= len(BLOCK)
        await writer.drain()


STREAMS = {"echo": echo, "once": once, "sink": sink, "source": source}


async def serve_streams(mode):
    serve = STREAMS[mode]

    async def connection(reader, writer):
        await serve(reader, writer)
        writer.close()

    return await asyncio.start_server(connection, "127.0.0.1", 0, backlog=BACKLOG)


# ---- protocols


class Protocol(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.write = transport.write


class Echo(Protocol):
    def data_received(self, data):
        self.write(data)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


class Once(Protocol):
    def data_received(self, data):
        self.write(data)
        self.transport.close()


class Sink(Protocol):
    count = 0

    def data_received(self, data):
        self.count += len(data)

    def eof_received(self):
        self.write(b"%d\n" % self.count)


class Source(Protocol):
    paused = False
    left = 0

    def data_received(self, data):
        self.left = int(data)
        self.send()

    def send(self):
        while self.left > 0 and not self.paused:
            self.write(BLOCK[: self.left])
            self.left -= len(BLOCK)
        if self.left <= 0:
            self.transport.close()

    def pause_writing(self):
        self.paused = True

    # Later, as asyncio would close it twice if it closed in here.
    def resume_writing(self):
        self.paused = False
        asyncio.get_running_loop().call_soon(self.send)


PROTOCOLS = {"echo": Echo, "once": Once, "sink": Sink, "source": Source}


async def serve_protocol(mode):
    loop = asyncio.get_running_loop()
    return await loop.create_server(PROTOCOLS[mode], "127.0.0.1", 0, backlog=BACKLOG)


# ---- all


async def main(way, mode):
    serve = serve_streams if way == "streams" else serve_protocol
    server = await serve(mode)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


loop, way, mode = sys.argv[1:]
if loop == "uvloop":
    import uvloop

    uvloop.install()
asyncio.run(main(way, mode))
