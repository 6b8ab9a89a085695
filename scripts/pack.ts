/**
 * Builds what would be published, package by package, into `dist/`: JavaScript and types beside each other, and a
 * package.json whose `exports` name them. The sources run without this; only publishing needs it.
 *
 *   node scripts/pack.ts          builds
 *   node scripts/pack.ts --check  builds, and has publint look at the result
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

interface Manifest {
  name: string;
  exports?: Record<string, string>;
  bin?: Record<string, string>;
  files?: Array<string>;
  [key: string]: unknown;
}

const built = (path: string, ending: string): string => path.replace("./src/", "./dist/").replace(/\.ts$/, ending);

const members = ["packages", "apps"].flatMap((parent) => readdirSync(parent).map((name) => join(parent, name)));
rmSync("dist", { recursive: true, force: true });
mkdirSync("dist/.build", { recursive: true });

writeFileSync(
  "dist/.build/tsconfig.json",
  JSON.stringify({
    extends: "../../tsconfig.json",
    compilerOptions: {
      noEmit: false,
      declaration: true,
      sourceMap: true,
      outDir: "out",
      rootDir: "../..",
      allowImportingTsExtensions: true,
    },
    include: members.map((member) => `../../${member}/src`),
  }),
);
const compiled = spawnSync("tsc", ["-p", "dist/.build/tsconfig.json"], { stdio: "inherit" });
if (compiled.status !== 0) process.exit(1);

let failed = false;
const complain = (problem: string): void => {
  failed = true;
  console.error(problem);
};
const { engines } = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;
for (const member of members) {
  const manifest = JSON.parse(readFileSync(join(member, "package.json"), "utf8")) as Manifest;
  const target = join("dist", member);
  mkdirSync(target, { recursive: true });
  cpSync(join("dist/.build/out", member, "src"), join(target, "dist"), { recursive: true });
  const beside = (manifest.files ?? []).filter((name) => name !== "src");
  for (const name of beside) {
    if (existsSync(join(member, name))) cpSync(join(member, name), join(target, name), { recursive: true });
    else complain(`${manifest.name}: ${name} is named in files and is not there`);
  }
  cpSync("LICENSE", join(target, "LICENSE"));
  const publishable: Manifest = { ...manifest, engines, files: ["dist", ...beside, "LICENSE"] };
  if (manifest.exports !== undefined) {
    publishable.exports = Object.fromEntries(
      Object.entries(manifest.exports).map(([key, path]) => [
        key,
        { types: built(path, ".d.ts"), default: built(path, ".js") },
      ]),
    ) as unknown as Record<string, string>;
  }
  if (manifest.bin !== undefined) {
    publishable.bin = Object.fromEntries(Object.entries(manifest.bin).map(([key, path]) => [key, built(path, ".js")]));
  }
  writeFileSync(join(target, "package.json"), `${JSON.stringify(publishable, undefined, 2)}\n`);
  if (globSync(join(target, "dist/**/*.js")).length === 0) throw new Error(`${member} built nothing`);
  if (!process.argv.includes("--check")) continue;
  const { messages } = await publint({ pkgDir: resolve(target), strict: true });
  for (const message of messages) complain(`${manifest.name}: ${formatMessage(message, publishable) ?? message.code}`);
}
rmSync("dist/.build", { recursive: true, force: true });
if (failed) process.exitCode = 1;
