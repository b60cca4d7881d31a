// Shows what of capacity.md and capacity.html follows from the runs; with --write, writes it into them.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { docs, filled } from "./lib/capacity.js";

const { values: options } = parseArgs({
  options: {
    write: { type: "boolean" },
    million: { type: "string" }, // the folder of another million.json
  },
});

const write = () => Object.entries(filled(options.million)).forEach(([name, text]) => writeFileSync(join(docs, name), text));
if (options.write) {
  write();
  console.log("written: docs/capacity.md, docs/capacity.html");
} else {
  const text = filled(options.million)["capacity.md"];
  for (const name of ["constants", "example", "trial"]) console.log(text.split(`<!-- ${name} -->`)[1].split(`<!-- /${name} -->`)[0]);
}
