import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { PolicyOutcome, PolicySurroundings, PolicyUpdate } from '../api/policy-types.ts';
import type { Logger } from '../base/log.ts';
import type { PolicyManifest } from '../manifests/types.ts';
import type { PolicyNamespace, PolicyNode, PolicyPod, PolicyService } from '../policy/types.ts';
import type { PolicyName } from './policy-request.ts';
import { parsePolicies, parsePolicyUpdate } from './policy-request.ts';

type Surroundings = Required<PolicySurroundings>;

const nothing: Surroundings = { namespaces: [], services: [], nodes: [], pods: [], names: {} };

/**
 * The policies that the agent was asked to enforce, and what they depend on, also on disk: a list that comes whole (from a cluster, a lab), and
 * those that an operator adds one by one, which win where both have a name. What did not change is the same object as before, so that the compiler
 * need not look at it.
 */
export class DesiredPolicies {
  readonly #path: string;
  #listed: ReadonlyMap<string, PolicyManifest> = new Map();
  readonly #own = new Map<string, PolicyManifest>();
  #surroundings: Surroundings = nothing;
  /** Whether the list is on disk, which is large and seldom changes. */
  #saved = false;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Reads the files, one for the list and one for an operator's own; a missing one is an empty wish, a damaged one is set aside as `.damaged` and reported. */
  static async open(path: string, log: Logger): Promise<DesiredPolicies> {
    const desired = new DesiredPolicies(path);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await restore(path, log, (body) => desired.replace(parsePolicyUpdate(body)));
    desired.#saved = true;
    await restore(operatorPath(path), log, (body) => desired.put(parsePolicies({ policies: body })));
    return desired;
  }

  get surroundings(): Surroundings {
    return this.#surroundings;
  }

  /** All that hold, those of the list first. */
  policies(): readonly { readonly manifest: PolicyManifest; readonly origin: 'list' | 'operator' }[] {
    return [
      ...[...this.#listed].filter(([key]) => !this.#own.has(key)).map(([, manifest]) => ({ manifest, origin: 'list' as const })),
      ...[...this.#own.values()].map((manifest) => ({ manifest, origin: 'operator' as const })),
    ];
  }

  /** Takes the whole list in the place of the one before. */
  replace(update: PolicyUpdate): readonly PolicyOutcome[] {
    const before = this.#listed;
    this.#listed = new Map(same(before.values(), update.policies).map((manifest) => [keyOf(manifest), manifest]));
    const now = this.#surroundings;
    this.#surroundings = {
      namespaces: same<PolicyNamespace>(now.namespaces, update.namespaces),
      services: same<PolicyService>(now.services, update.services),
      nodes: same<PolicyNode>(now.nodes, update.nodes),
      pods: same<PolicyPod>(now.pods, update.pods ?? []),
      names: update.names ?? {},
    };
    this.#saved = false;
    return [...this.#listed].map(([key, manifest]) => ({ ...nameOf(manifest), outcome: outcomeOf(before.get(key), manifest) }));
  }

  /** Adds an operator's own, or changes them. */
  put(manifests: readonly PolicyManifest[]): readonly PolicyOutcome[] {
    return manifests.map((manifest) => {
      const key = keyOf(manifest);
      const outcome = outcomeOf(this.#own.get(key), manifest);
      if (outcome !== 'unchanged') this.#own.set(key, manifest);
      return { ...nameOf(manifest), outcome };
    });
  }

  /** Whether an operator's own had this name and is gone now. */
  delete(name: PolicyName): boolean {
    return this.#own.delete(keyOfName(name));
  }

  /** Whether the list that came whole has this name. */
  isListed(name: PolicyName): boolean {
    return this.#listed.has(keyOfName(name));
  }

  async save(): Promise<void> {
    if (!this.#saved) {
      const list: PolicyUpdate = { policies: [...this.#listed.values()], ...this.#surroundings };
      await replaceFile(this.#path, list);
      this.#saved = true;
    }
    await replaceFile(operatorPath(this.#path), [...this.#own.values()]);
  }
}

/** Where an operator's own are: `policies.json` → `policies.operator.json`. */
export function operatorPath(path: string): string {
  return path.replace(/(\.json)?$/, '.operator.json');
}

/** A missing file is nothing; a damaged one is set aside and reported. */
async function restore(path: string, log: Logger, take: (body: unknown) => unknown): Promise<void> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return;
  try {
    take(JSON.parse(text));
  } catch (err) {
    await rename(path, `${path}.damaged`);
    log.error({ err, path }, 'the list of desired policies is damaged and was set aside');
  }
}

async function replaceFile(path: string, body: unknown): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, `${JSON.stringify(body)}\n`, { mode: 0o600 });
  await rename(temporary, path);
}

function nameOf({ kind, metadata: { namespace, name } }: PolicyManifest): PolicyName {
  return { kind, namespace, name };
}

function keyOf(manifest: PolicyManifest): string {
  return keyOfName(nameOf(manifest));
}

function keyOfName({ kind, namespace, name }: PolicyName): string {
  return `${kind}/${namespace}/${name}`;
}

function outcomeOf(before: PolicyManifest | undefined, now: PolicyManifest): 'created' | 'configured' | 'unchanged' {
  if (before === undefined) return 'created';
  return before === now || JSON.stringify(before) === JSON.stringify(now) ? 'unchanged' : 'configured';
}

/** What is equal to something of before is that very object. */
function same<T>(before: Iterable<T>, now: readonly T[]): readonly T[] {
  const known = new Map<string, T>();
  for (const item of before) known.set(JSON.stringify(item), item);
  return known.size === 0 ? now : now.map((item) => known.get(JSON.stringify(item)) ?? item);
}
