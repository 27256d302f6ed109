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
};

const [row, n, folder] = process.argv.slice(2);
rows[row](Number(n), folder);
