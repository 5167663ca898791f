// @ts-check
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Versions of clang and its tools that Debian and Ubuntu have shipped with a suffix, newest first. */
const suffixes = ['', '-21', '-20', '-19', '-18', '-17', '-16', '-15', '-14'];

/**
 * Every name under which a tool of LLVM may be installed.
 * @param {string} name `clang`, `llvm-strip`, `clang-format`
 * @returns {string[]}
 */
export function llvmNames(name) {
  return suffixes.map((suffix) => name + suffix);
}

/**
 * The path of the first of `names` that the search path holds, or null. No process is started.
 * @param {readonly string[]} names
 * @param {string} [searchPath] as in $PATH
 * @returns {string | null}
 */
export function findProgram(names, searchPath = process.env.PATH ?? '') {
  // Root's PATH in a container often lacks the sbin folders, where iptables and ip live.
  const folders = [...searchPath.split(delimiter).filter((folder) => folder !== ''), '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
  for (const name of names) {
    for (const folder of folders) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        if (statSync(path).isFile()) return path;
      } catch {
        // Not in this folder; the next one may have it.
      }
    }
  }
  return null;
}
