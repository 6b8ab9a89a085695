export {
  authorityDirectory,
  ClientSources,
  fallbackDirectory,
  type KnownDirectory,
  STALE_DIRECTORY_MILLIS,
} from "./client-sources.ts";
export { DirectoryTunnels, IDLE_DIRECTORY_TUNNEL } from "./directory-tunnels.ts";
