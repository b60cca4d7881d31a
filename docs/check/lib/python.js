// Python with the packages of requirements.txt, in a virtual environment of our own.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const root = join(import.meta.dirname, "..");
const venv = join(root, ".venv");
let made;

/** The interpreter, or undefined where there is none. */
export function python() {
  made ??= { path: make() };
  return made.path;
}

function make() {
  const path = join(venv, "bin", "python");
  const stamp = join(venv, "requirements.txt");
  const wanted = readFileSync(join(root, "requirements.txt"), "utf8");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return path;
  const steps = [
    ["python3", "-m", "venv", venv],
    [path, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", join(root, "requirements.txt")],
  ];
  for (const [command, ...args] of steps) {
    const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
    if (status !== 0) {
      console.error(stderr ?? `${command} is not here`);
      return undefined;
    }
  }
  writeFileSync(stamp, wanted);
  return path;
}
