import pino from 'pino';
import { LogSink } from './log-sink.ts';

/** The fields a log line may carry, so that a search for one name finds every use. */
export interface LogFields {
  readonly pod?: string;
  readonly namespace?: string;
  readonly container?: string;
  readonly node?: string;
  readonly cookie?: string;
  readonly netns?: string;
  readonly path?: string;
  readonly program?: string;
  readonly map?: string;
  readonly link?: string;
  readonly address?: string;
  readonly port?: number;
  readonly pid?: number;
  readonly uid?: number;
  readonly count?: number;
  readonly durationMs?: number;
  readonly reason?: string;
  readonly exitCode?: number | null;
  readonly signal?: string | null;
  readonly code?: string;
  readonly resource?: string;
  readonly err?: unknown;
}

/** A constant sentence and fields; never a sentence with values in it. */
export interface Logger {
  debug(fields: LogFields, sentence: string): void;
  info(fields: LogFields, sentence: string): void;
  warn(fields: LogFields, sentence: string): void;
  error(fields: LogFields, sentence: string): void;
  /** A logger whose lines all carry `fields`. */
  with(fields: LogFields): Logger;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * JSON lines on standard error (fd 2), or on the file descriptor given. Synchronous, so that nothing is lost when the process is killed; lines that
 * cannot be written are counted and never a failure.
 */
export function createLogger(options: { level?: LogLevel; name?: string; fd?: number } = {}): Logger {
  const base = { pid: process.pid, ...(options.name === undefined ? {} : { name: options.name }) };
  const sink = new LogSink(
    options.fd ?? 2,
    (count, reason) =>
      `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), ...base, count, reason, msg: 'lines of this log could not be written' })}\n`,
  );
  return wrap(
    pino(
      {
        level: options.level ?? 'info',
        // for who reads the file: a level by its name, and a time of day
        formatters: { level: (label) => ({ level: label }) },
        timestamp: pino.stdTimeFunctions.isoTime,
        base,
      },
      sink,
    ),
  );
}

function wrap(inner: pino.Logger): Logger {
  return {
    debug: (fields, sentence) => inner.debug(fields, sentence),
    info: (fields, sentence) => inner.info(fields, sentence),
    warn: (fields, sentence) => inner.warn(fields, sentence),
    error: (fields, sentence) => inner.error(fields, sentence),
    with: (fields) => wrap(inner.child(fields)),
  };
}

/** A logger that drops everything, for tests and pure callers. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silentLogger };
