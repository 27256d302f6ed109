// The rows in Node.
//   node bench/programs/node.js ROW N [...]   as bench/programs/tide.lua
// An `await` alone gives way to other promises, never to timers or I/O: what
// tide.sleep(0) does takes setImmediate, a turn of Node's loop. Both are rows.
// The time is the clock's, so that the threads that help Node cost it nothing, or
// the process's own where that is less.
'use strict';

const nothing = async () => 1;
const turn = () => new Promise((resolve) => setImmediate(resolve));
const times = (n, f) => Array.from({ length: n }, (_, i) => f(i));

const rows = {
  async switch(n, width) {
    const spin = async () => {
      for (let i = 0; i < n / width; i++) await turn();
    };
    await Promise.all(times(width, spin));
  },
  async microtask(n, width) {
    const spin = async () => {
      for (let i = 0; i < n / width; i++) await null;
    };
    await Promise.all(times(width, spin));
  },
  async spawn(n) {
    for (let i = 0; i < n; i++) await nothing();
  },
  async spawn_all(n) {
    for (const promise of times(n, nothing)) await promise;
  },
  async gather(n) {
    await Promise.all(times(n, async (i) => i));
  },
  async timeout(n) {
    const within = async (ms, f) => {
      let timer;
      const late = new Promise((_, reject) => {
        timer = setTimeout(reject, ms);
      });
      try {
        return await Promise.race([f(), late]);
      } finally {
        clearTimeout(timer);
      }
    };
    for (let i = 0; i < n; i++) await within(60000, nothing);
  },
  async cancel(n) {
    const cancels = [];
    const sleep = (ms) => new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      cancels.push(() => {
        clearTimeout(timer);
        reject(new Error('cancelled'));
      });
    });
    const sleeps = times(n, () => sleep(60000));
    await turn();
    for (const cancel of cancels) cancel();
    await Promise.allSettled(sleeps);
  },
  async call_soon(n) {
    await new Promise((resolve) => {
      let left = n;
      const call = () => --left || resolve();
      for (let i = 0; i < n; i++) setImmediate(call);
    });
  },
  // Whole milliseconds: Node keeps a list for each duration.
  async timers(n) {
    const never = () => {};
    const set = () => setTimeout(never, 60000 + Math.floor(Math.random() * 60000));
    times(n, set).forEach(clearTimeout);
    await turn();
  },
  async skynet(n) {
    const sky = async (first, size) => {
      if (size === 1) return first;
      const part = size / 10;
      const sums = await Promise.all(times(10, (i) => sky(first + i * part, part)));
      return sums.reduce((a, b) => a + b);
    };
    await sky(0, n);
  },
  async sleepers(n, seconds) {
    const before = resident();
    const start = process.hrtime.bigint();
    await Promise.all(times(n, () => new Promise((resolve) => setTimeout(resolve, seconds * 1000))));
    const late = Number(process.hrtime.bigint() - start) / 1e9 - seconds;
    const after = resident();
    return `${Math.round((after - before) / n)} ${Math.round(after / 1e6)} ${late.toFixed(2)}`;
  },
  async process(n, atOnce) {
    const { spawn } = require("child_process");
    const start = process.hrtime.bigint();
    const stdio = ["ignore", "inherit", "inherit"];
    const child = () => new Promise((resolve) => spawn("/bin/true", { stdio }).on("exit", resolve));
    let left = n;
    await Promise.all(times(atOnce, async () => {
      while (left-- > 0) if ((await child()) !== 0) throw new Error("it failed");
    }));
    return (Number(process.hrtime.bigint() - start) / 1e3 / n).toFixed(1);
  },
};

const resident = () => process.resourceUsage().maxRSS * 1024;

async function main(row, n, ...numbers) {
  const start = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  const text = await rows[row](n, ...numbers);
  const { user, system } = process.cpuUsage(cpu);
  const elapsed = Number(process.hrtime.bigint() - start);
  console.log(text || (Math.min(elapsed, (user + system) * 1e3) / n).toFixed(1));
}

const [row, ...numbers] = process.argv.slice(2);
main(row, ...numbers.map(Number));
