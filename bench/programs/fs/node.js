// The rows of files in Node.
//   node bench/programs/fs/node.js ROW N FOLDER   as tide.lua there
'use strict';

const fs = require('fs').promises;

const rows = {
  async small(n, folder) {
    const start = process.hrtime.bigint();
    const clock = process.cpuUsage();
    let next = 0;
    const reader = async () => {
      while (next < n) {
        const name = `${folder}/f${String(next++).padStart(4, '0')}`;
        if ((await fs.readFile(name)).length !== 1024) throw new Error(name);
      }
    };
    await Promise.all(Array.from({ length: 64 }, reader));
    const wall = Number(process.hrtime.bigint() - start) / 1e3;
    const used = process.cpuUsage(clock);
    console.log(`${(wall / n).toFixed(2)} ${((used.user + used.system) / n).toFixed(2)}`);
  },

  async read(n, folder) {
    const start = process.hrtime.bigint();
    let got = 0;
    const file = require('fs').createReadStream(`${folder}/large`, { highWaterMark: 65536 });
    for await (const data of file) got += data.length;
    if (got !== n * 2 ** 20) throw new Error(`${got} bytes`);
    console.log((n / Number(process.hrtime.bigint() - start) * 1e9).toFixed(0));
  },

  async at(n, folder) {
    const file = await fs.open(`${folder}/random`);
    const data = Buffer.alloc(4096);
    const start = process.hrtime.bigint();
    for (let i = 0, at = 0; i < n; i++) {
      at = (at + 7919 * 4096) % 67108864;
      if ((await file.read(data, 0, 4096, at)).bytesRead !== 4096) throw new Error(`${at}`);
    }
    console.log((Number(process.hrtime.bigint() - start) / 1e3 / n).toFixed(2));
    await file.close();
  },

  // In calls of its own, and not in promises, which are slower.
  async watch(n, folder) {
    const sync = require('fs');
    const path = `${folder}/watched`;
    sync.mkdirSync(path, { recursive: true });
    const fd = sync.openSync(`${path}/f`, 'w');
    let left = n;
    await new Promise((resolve) => {
      const start = process.hrtime.bigint();
      const watch = sync.watch(path, () => {
        if (left-- > 0) {
          sync.writeSync(fd, 'x');
        } else if (left === -1) {
          watch.close();
          console.log((Number(process.hrtime.bigint() - start) / 1e3 / n).toFixed(2));
          resolve();
        }
      });
      sync.writeSync(fd, 'x');
    });
    sync.closeSync(fd);
    sync.rmSync(path, { recursive: true });
  },
};

const [row, n, folder] = process.argv.slice(2);
rows[row](Number(n), folder);
