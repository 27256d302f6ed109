// The rows of bench/ in Node. Prints what the programs beside it print.
//   node bench/peers/peer.js ROW N
'use strict';
const [row, count] = process.argv.slice(2);
const n = Number(count);
const turn = () => new Promise((resolve) => setImmediate(resolve));
const nothing = async () => 1;

const rows = {
  async switch() {
    for (let i = 0; i < n; i++) await turn();
  },
  async spawn() {
    for (let i = 0; i < n; i++) await nothing();
  },
  async gather() {
    const promises = [];
    for (let i = 0; i < n; i++) promises.push(nothing());
    await Promise.all(promises);
  },
  async call_soon() {
    await new Promise((resolve) => {
      let left = n;
      for (let i = 0; i < n; i++) setImmediate(() => --left || resolve());
    });
  },
  async timers() {
    const timers = [];
    for (let i = 0; i < n; i++) timers.push(setTimeout(() => {}, 60000 + Math.random() * 60000));
    timers.forEach(clearTimeout);
  },
  async skynet() {
    const sky = async (first, size) => {
      if (size === 1) return first;
      const part = size / 10;
      const sums = [];
      for (let i = 0; i < 10; i++) sums.push(sky(first + i * part, part));
      return (await Promise.all(sums)).reduce((a, b) => a + b);
    };
    await sky(0, n);
  },
};

const resident = () => process.resourceUsage().maxRSS * 1024;

async function sleepers() {
  const before = resident();
  const start = process.hrtime.bigint();
  const promises = [];
  for (let i = 0; i < n; i++) promises.push(new Promise((resolve) => setTimeout(resolve, 3000)));
  await Promise.all(promises);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9 - 3;
  console.log(`${Math.round((resident() - before) / n)} ${seconds.toFixed(2)}`);
}

async function main() {
  if (row === 'sleepers') return sleepers();
  const start = process.hrtime.bigint();
  await rows[row]();
  console.log((Number(process.hrtime.bigint() - start) / n).toFixed(1));
}
main();
