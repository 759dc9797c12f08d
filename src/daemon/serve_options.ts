/**
 * How a server is run, as its command line says.
 *
 * @module
 */

/** What isn't in the TOML file. */
export interface ServeOptions {
  /** The TOML file, for other processes of this program. */
  readonly configPath: string;
  /** Take the place of the server that runs on the same configuration, if one does. */
  readonly takeover: boolean;
  /** Take orders on standard input to make workers fail. */
  readonly testingOnlyFaults: boolean;
  /** A step of a hand-over at which the process stops itself, SIGSTOP; absent = none. */
  readonly testingOnlyHaltAt?: string;
}
