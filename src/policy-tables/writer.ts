import type { Endpoint } from '../abi/gen/index.ts';
import { MillraceError } from '../base/errors.ts';
import { Pace } from '../base/pace.ts';
import { isSysError } from '../kernel/index.ts';
import type { CompiledPolicy } from '../policy/types.ts';
import type { DataPlaneMaps } from '../redirect/ebpf/maps.ts';
import { changeSettings, readSettings } from '../redirect/ebpf/settings.ts';
import { IpcacheTable } from './ipcache-table.ts';
import { PolicyRows } from './policy-rows.ts';
import type { PolicyEndpoint, TableCounts } from './rows.ts';
import { endpointRow, subjectFlags } from './rows.ts';

/** The maps that policy is written to. */
export type PolicyMaps = Pick<DataPlaneMaps, 'ipcache' | 'subjects' | 'policy' | 'endpoints' | 'settings'>;

/** What an apply() changed; all zero when the kernel already had it. */
export interface PolicyTableChange {
  readonly rows: TableCounts;
  readonly subjects: TableCounts;
  readonly ipcache: TableCounts;
  readonly endpoints: TableCounts;
  /** From the call until the kernel judges by it, milliseconds. */
  readonly milliseconds: number;
  /** The policy epoch that holds now. */
  readonly epoch: number;
}

interface SubjectRow {
  readonly policy: number;
  readonly flags: number;
}

/**
 * Brings compiled policy into the kernel, and knows what is there. Whoever is judged meanwhile is judged by the policy before or by the one
 * after, never by half of one:
 *
 * 1. rows, of policies with a new number and of identities that are new
 * 2. subjects move to their new policies
 * 3. addresses and pods move to their new identities
 * 4. the epoch: connections that the policy before let through are asked for again
 * 5. what nobody looks for any more goes
 *
 * One apply() after the other; those that come meanwhile wait.
 */
export class PolicyTableWriter implements Disposable {
  readonly #maps: PolicyMaps;
  readonly #rows: PolicyRows;
  readonly #ipcache: IpcacheTable;
  #subjects = new Map<number, SubjectRow>();
  #endpoints = new Map<bigint, string>();
  #learned = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(maps: PolicyMaps) {
    this.#maps = maps;
    this.#rows = new PolicyRows(maps.policy);
    this.#ipcache = new IpcacheTable(maps.ipcache);
  }

  /** How many rows of mr_policy there are. */
  get rowCount(): number {
    return this.#rows.count;
  }

  /** What differs() has to look at: rows and addresses. */
  get size(): number {
    return this.#rows.count + this.#ipcache.count;
  }

  /** Which identity each range of addresses has, by canonical text, as far as it was learned or written. */
  get identities(): ReadonlyMap<string, number> {
    return this.#ipcache.entries;
  }

  /**
   * Whether somebody else changed the tables. Changes nothing and keeps nothing, so it can be left off at any row: null where `stop` said so. No apply()
   * may run meanwhile. Two microseconds a row.
   */
  async differs(stop: () => boolean): Promise<boolean | null> {
    if (!this.#learned) return true;
    let subjects = 0;
    for (const [identity, { policy, flags }] of this.#maps.subjects.entries()) {
      const known = this.#subjects.get(identity);
      if (known?.policy !== policy || known.flags !== flags) return true;
      subjects += 1;
    }
    if (subjects !== this.#subjects.size) return true;
    const endpoints = [...this.#maps.endpoints.entries()];
    if (endpoints.length !== this.#endpoints.size) return true;
    if (endpoints.some(([cookie, row]) => this.#endpoints.get(cookie) !== fingerprint(row))) return true;
    const pace = new Pace();
    const rows = await this.#rows.differs(pace, stop);
    return rows === false ? this.#ipcache.differs(pace, stop) : rows;
  }

  /**
   * Looks at what an earlier process left, so that the first apply() writes only what differs. Two microseconds a row. apply() calls it where
   * it was not called, and again after a failure.
   */
  async learn(): Promise<void> {
    const pace = new Pace();
    await this.#rows.learn(pace);
    await this.#ipcache.learn(pace);
    this.#subjects = new Map(this.#maps.subjects.entries());
    this.#endpoints = new Map([...this.#maps.endpoints.entries()].map(([cookie, row]) => [cookie, fingerprint(row)]));
    this.#learned = true;
  }

  /**
   * Makes the kernel judge by `compiled`, for these pods of this node. When it throws, the policy before goes on to hold, as far as it can be
   * told: what was half done is put right by the next call.
   * @throws MillraceError TABLE_FULL; SysError; RangeError for a compiled prefix or address that is none
   */
  apply(compiled: CompiledPolicy, endpoints: readonly PolicyEndpoint[]): Promise<PolicyTableChange> {
    const result = this.#last.then(() => this.#apply(compiled, endpoints));
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Gives up what it holds. The tables stay. */
  close(): void {
    this.#rows.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #apply(compiled: CompiledPolicy, endpoints: readonly PolicyEndpoint[]): Promise<PolicyTableChange> {
    const started = performance.now();
    const pace = new Pace();
    if (!this.#learned) await this.learn();
    const pods = new Map(endpoints.map((endpoint) => [endpoint.cookie, endpointRow(endpoint)]));
    try {
      return await this.#write(compiled, pods, pace, started);
    } catch (error) {
      this.#learned = false;
      await this.#rows.takeBack(pace);
      throw this.#explain(error);
    }
  }

  async #write(compiled: CompiledPolicy, pods: ReadonlyMap<bigint, Endpoint>, pace: Pace, started: number): Promise<PolicyTableChange> {
    const current = (identity: number): number | undefined => this.#subjects.get(identity)?.policy;
    const rows = await this.#rows.add(compiled, current, pace);
    const subjectsWritten = this.#writeSubjects(compiled.subjects);
    const ipcache = await this.#ipcache.bring(compiled.ipcache, pace);
    const endpointCounts = this.#writeEndpoints(pods);
    const subjectsRemoved = this.#removeSubjects(compiled.subjects);
    const rowsRemoved = await this.#rows.removeGone(pace);
    const subjects = { written: subjectsWritten, removed: subjectsRemoved };
    const tables = [{ written: rows, removed: rowsRemoved }, subjects, ipcache, endpointCounts];
    const changed = tables.some(({ written, removed }) => written + removed > 0);
    // where nobody is and was judged, nothing was let through by policy, and connect() need not ask
    const judges = this.#subjects.size + subjectsRemoved > 0;
    const epoch = changed && judges ? this.#bump() : readSettings(this.#maps).policyEpoch;
    const milliseconds = performance.now() - started;
    const old = await this.#rows.removeOld(pace);
    return {
      rows: { written: rows, removed: rowsRemoved + old },
      subjects,
      ipcache,
      endpoints: endpointCounts,
      milliseconds,
      epoch,
    };
  }

  #bump(): number {
    const policyEpoch = (readSettings(this.#maps).policyEpoch + 1) >>> 0;
    changeSettings(this.#maps, { policyEpoch });
    return policyEpoch;
  }

  #writeSubjects(subjects: CompiledPolicy['subjects']): number {
    const differing: [number, SubjectRow][] = [];
    for (const subject of subjects) {
      const now = this.#subjects.get(subject.identity);
      const policy = this.#rows.numberOf(subject.policy);
      const flags = subjectFlags(subject);
      if (now?.policy !== policy || now.flags !== flags) differing.push([subject.identity, { policy, flags }]);
    }
    this.#maps.subjects.setMany(differing);
    for (const [identity, row] of differing) this.#subjects.set(identity, row);
    return differing.length;
  }

  /** What is left of those that were, after all of `subjects` were written. */
  #removeSubjects(subjects: CompiledPolicy['subjects']): number {
    if (this.#subjects.size === subjects.length) return 0;
    const wanted = new Set(subjects.map(({ identity }) => identity));
    const gone = [...this.#subjects.keys()].filter((identity) => !wanted.has(identity));
    this.#maps.subjects.deleteMany(gone);
    for (const identity of gone) this.#subjects.delete(identity);
    return gone.length;
  }

  #writeEndpoints(wanted: ReadonlyMap<bigint, Endpoint>): TableCounts {
    let written = 0;
    for (const [cookie, row] of wanted) {
      const text = fingerprint(row);
      if (this.#endpoints.get(cookie) === text) continue;
      this.#maps.endpoints.set(cookie, row);
      this.#endpoints.set(cookie, text);
      written += 1;
    }
    const gone = [...this.#endpoints.keys()].filter((cookie) => !wanted.has(cookie));
    for (const cookie of gone) {
      this.#maps.endpoints.delete(cookie);
      this.#endpoints.delete(cookie);
    }
    return { written, removed: gone.length };
  }

  /** Names a table without room; hash tables say E2BIG, tries ENOSPC. */
  #explain(error: unknown): unknown {
    if (!isSysError(error, 'E2BIG', 'ENOSPC')) return error;
    const full = [this.#maps.policy, this.#maps.ipcache, this.#maps.subjects, this.#maps.endpoints].find(({ info }) =>
      error.call.includes(info.name),
    );
    if (full === undefined) return error;
    const { name, maxEntries } = full.info;
    const text = `Cannot apply policy because the table ${name} is full: it has room for ${maxEntries} rows`;
    return new MillraceError('TABLE_FULL', text, { cause: error, data: { map: name, maxEntries } });
  }
}

function fingerprint({ identity, flags, addr4, addr6 }: Endpoint): string {
  return `${identity} ${flags} ${Buffer.from(addr4).toString('hex')} ${Buffer.from(addr6).toString('hex')}`;
}
