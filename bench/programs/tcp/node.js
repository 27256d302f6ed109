// The server of the TCP rows in Node.
//   node bench/programs/tcp/node.js MODE   as bench/programs/tcp/tide.lua
'use strict';

const net = require('net');

const BLOCK = Buffer.from('abcdefghijklmnop'.repeat(4096));
const BACKLOG = 511;

const modes = {
  // Who does not take its echo is not read from.
  echo(conn) {
    conn.on('data', (data) => conn.write(data) || conn.pause());
    conn.on('drain', () => conn.resume());
    conn.on('end', () => conn.end());
  },
  once(conn) {
    conn.once('data', (data) => conn.end(data));
  },
  sink(conn) {
    let count = 0;
    conn.on('data', (data) => {
      count += data.length;
    });
    conn.on('end', () => conn.end(`${count}\n`));
  },
  source(conn) {
    let left = 0;
    const send = () => {
      while (left > 0) {
        const block = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK;
        left -= block.length;
        if (!conn.write(block)) return;
      }
      conn.end();
    };
    conn.on('drain', send);
    conn.once('data', (data) => {
      left = Number(data.toString());
      send();
    });
  },
};

const serve = modes[process.argv[2]];
const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (conn) => {
  conn.on('error', () => conn.destroy());
  serve(conn);
});
server.listen({ host: '127.0.0.1', port: 0, backlog: BACKLOG }, () => {
  console.log(server.address().port);
});
