export { command } from "./cli.ts";
