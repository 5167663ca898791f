import { MillraceError } from '../base/errors.ts';
import { PolicyCompiler } from '../policy/compiler.ts';
import type { CompiledPolicy, Policy, PolicyCluster, PolicyPod } from '../policy/types.ts';
import type { PolicyEndpoint, PolicyTableChange, PolicyTableWriter } from '../policy-tables/index.ts';
import type { DesiredPolicies } from './desired-policies.ts';
import type { HeldPolicy } from './guarded-pod.ts';
import { howToGo } from './take-over.ts';

/** Rows that are compared with the kernel in one round of three seconds: about 0.1 s of one CPU. */
const rowsPerRound = 50_000;
/** A comparison makes way for a change that waits, but not for longer than this. */
const longestUncomparedMs = 60_000;

/** The rows of this node's pods, whose identities come out of the compiler. */
type EndpointsOf = (identityOf: (pod: PolicyPod) => number, policies: boolean) => readonly PolicyEndpoint[];

/** What the kernel judges by: compiles policies, writes what differs from before, and looks whether it is still there. */
export class JudgedPolicy {
  readonly #writer: PolicyTableWriter;
  #compiler = new PolicyCompiler();
  /** What the kernel judges by now, which is a step on the way while it changes; null: by what an earlier agent left. */
  #judged: readonly Policy[] | null = null;
  #held: HeldPolicy | null = null;
  #identities: ReadonlyMap<string, number> = new Map();
  #identitiesOf: CompiledPolicy['endpoints'] | null = null;
  #problem: string | null = null;
  #round = 0;
  #comparedAt = performance.now();

  constructor(writer: PolicyTableWriter) {
    this.#writer = writer;
  }

  /** null before the first bring() that worked. */
  get held(): HeldPolicy | null {
    return this.#held;
  }

  /** Why the last bring() did not work; null: it did. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Of every pod, by NAMESPACE/NAME. */
  get identities(): ReadonlyMap<string, number> {
    return this.#identities;
  }

  get rowCount(): number {
    return this.#writer.rowCount;
  }

  /** The security identity of a pod; 0 where it has none. */
  identityOf({ namespace, name }: PolicyPod): number {
    return this.#identities.get(`${namespace}/${name}`) ?? 0;
  }

  /** Compiles everything and writes what differs. Throws MillraceError TABLE_FULL, IDENTITIES_EXHAUSTED, UserError FILE_UNREADABLE; is then `problem`. */
  async bring(desired: DesiredPolicies, cluster: PolicyCluster, endpoints: EndpointsOf): Promise<PolicyTableChange> {
    const policies = desired.policies().map(({ policy }) => policy);
    try {
      desired.assertWhole();
      const { compiler, steps } = await howToGo(this.#judged, policies, { compiler: this.#compiler, writer: this.#writer, cluster });
      this.#compiler = compiler;
      let applied = await this.#apply(steps[0], cluster, endpoints);
      for (const step of steps.slice(1)) applied = await this.#apply(step, cluster, endpoints);
      this.#held = { compiled: applied.compiled, policies, cluster };
      this.#problem = null;
      return applied.change;
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error);
      // the compiler says itself that it is of no more use
      if (error instanceof MillraceError && error.code === 'IDENTITIES_EXHAUSTED') this.#judged = null;
      throw error;
    }
  }

  /**
   * Where somebody else changed the tables, forgets what was known of them, so that they are written again. To be called every three seconds; large tables
   * are looked at less often. `makeWay` is asked in between: whether somebody waits.
   */
  async compare(makeWay: () => boolean): Promise<void> {
    this.#round += 1;
    if (this.#round < Math.ceil(this.#writer.size / rowsPerRound)) return;
    const overdue = performance.now() - this.#comparedAt > longestUncomparedMs;
    const differs = await this.#writer.differs(() => !overdue && makeWay());
    if (differs === null) return;
    this.#round = 0;
    this.#comparedAt = performance.now();
    if (differs) await this.#writer.learn();
  }

  async #apply(policies: readonly Policy[], cluster: PolicyCluster, endpoints: EndpointsOf) {
    const compiled = this.#compiler.compile(policies, cluster);
    this.#identities = this.#identitiesIn(compiled);
    const rows = endpoints((pod) => this.identityOf(pod), policies.length > 0);
    const change = await this.#writer.apply(compiled, rows);
    this.#judged = policies;
    this.#compiler.forgetEarlier();
    return { compiled, change };
  }

  #identitiesIn({ endpoints }: CompiledPolicy): ReadonlyMap<string, number> {
    if (endpoints === this.#identitiesOf) return this.#identities;
    this.#identitiesOf = endpoints;
    return new Map(endpoints.map(({ namespace, name, identity }) => [`${namespace}/${name}`, identity]));
  }

  /** Gives up what it holds; the tables stay. */
  close(): void {
    this.#writer.close();
  }
}
