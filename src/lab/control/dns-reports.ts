import type { DnsReport, DnsReportEntry } from '../../api/types.ts';
import type { Logger } from '../../base/log.ts';
import { readAnswer } from '../../mesh/dns/seen-answer.ts';
import type { SeenAnswer } from '../../mesh/dns/server.ts';

/** What waits together is told together. */
const reportMs = 50;
/** Answers in one report: more than pods that mean well ask for. The rest is counted. */
const reportEntries = 500;

/** Tells the agent what the name server answered. Never makes an answer wait. Owns its timer. */
export class DnsReports implements Disposable {
  readonly #server: DnsReportEntry['server'];
  readonly #send: (report: DnsReport) => Promise<void>;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #entries: DnsReportEntry[] = [];
  #skipped = 0;
  #sending = false;
  #refused = false;

  /** `server` is where the questions came to. */
  constructor(server: DnsReportEntry['server'], send: (report: DnsReport) => Promise<void>, log: Logger) {
    this.#server = server;
    this.#send = send;
    this.#log = log;
    this.#timer = setInterval(() => void this.#flush(), reportMs);
  }

  add({ message, response, transport, client, wallMs, latencyMs }: SeenAnswer): void {
    if (this.#entries.length >= reportEntries) {
      this.#skipped += 1;
      return;
    }
    const read = readAnswer(message, response);
    if (read === null) return;
    const wire = transport === 'tcp' ? 'TCP' : 'UDP';
    this.#entries.push({ ...read, timeMs: wallMs, latencyMs, transport: wire, client, server: this.#server });
  }

  /** What an agent that is away does not take is gone: flows are of this moment. */
  async #flush(): Promise<void> {
    if (this.#sending || (this.#entries.length === 0 && this.#skipped === 0)) return;
    const report = { exchanges: this.#entries, skipped: this.#skipped };
    this.#entries = [];
    this.#skipped = 0;
    this.#sending = true;
    try {
      await this.#send(report);
      this.#refused = false;
    } catch (err) {
      // once: the next report comes in a moment
      if (!this.#refused) this.#log.warn({ err }, 'the agent did not take what the name server answered');
      this.#refused = true;
    } finally {
      this.#sending = false;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
