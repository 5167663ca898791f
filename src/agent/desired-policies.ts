import { existsSync } from 'node:fs';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { PolicyOutcome, PolicySurroundings, PolicyUpdate } from '../api/policy-types.ts';
import { UserError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { PolicyManifest } from '../manifests/types.ts';
import type { PolicyNamespace, PolicyNode, PolicyPod, PolicyService } from '../policy/types.ts';
import type { PolicyName } from './policy-request.ts';
import { parsePolicies, parsePolicyUpdate } from './policy-request.ts';
import { replaceList, replaceObject } from './replace-file.ts';

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
  /** Files that were damaged, and whose content nobody has said anew. */
  readonly #lost = new Set<string>();

  private constructor(path: string) {
    this.#path = path;
  }

  /** Reads the files, one for the list and one for an operator's own; a missing one is an empty wish, a damaged one is set aside as `.damaged`, reported, and `lost`. */
  static async open(path: string, log: Logger): Promise<DesiredPolicies> {
    const desired = new DesiredPolicies(path);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const take = { [path]: takeList, [operatorPath(path)]: takeOwn };
    for (const [file, of] of Object.entries(take)) {
      if (!(await restore(file, log, (body) => of(desired, body)))) desired.#lost.add(file);
    }
    desired.#saved = true;
    return desired;
  }

  /** The damaged files whose policies are not known: what the kernel judges by is more than policies() says. */
  get lost(): readonly string[] {
    return [...this.#lost];
  }

  get surroundings(): Surroundings {
    return this.#surroundings;
  }

  /** Throws UserError FILE_UNREADABLE where a file is lost. */
  assertWhole(): void {
    const [path] = this.#lost;
    if (path !== undefined) throw lostError(path);
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
    this.#lost.delete(this.#path);
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
    this.#lost.delete(operatorPath(this.#path));
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
    if (!this.#saved && !this.#lost.has(this.#path)) {
      const list: PolicyUpdate = { policies: [...this.#listed.values()], ...this.#surroundings };
      await replaceObject(this.#path, { ...list });
      this.#saved = true;
    }
    const own = operatorPath(this.#path);
    if (!this.#lost.has(own)) await replaceList(own, this.#own.values());
  }
}

/** Where a file is set aside that cannot be read. */
export function damagedPath(path: string): string {
  return `${path}.damaged`;
}

/** What the kernel judges by stays, and pods that it does not know are closed: fewer policies than were wished for would open pods. */
function lostError(path: string): UserError {
  return new UserError(
    'FILE_UNREADABLE',
    `Cannot bring policy into the kernel because the file that keeps it is damaged: ${damagedPath(path)}`,
    {
      cure: path.endsWith('.operator.json')
        ? 'What held before goes on to hold, and new pods are closed. Apply policies anew: then they are all that an operator wants.'
        : 'What held before goes on to hold, and new pods are closed, until the lab or cluster sends its list again.',
    },
  );
}

/** Where an operator's own are: `policies.json` → `policies.operator.json`. */
export function operatorPath(path: string): string {
  return path.replace(/(\.json)?$/, '.operator.json');
}

function takeList(desired: DesiredPolicies, body: unknown): void {
  desired.replace(parsePolicyUpdate(body));
}

function takeOwn(desired: DesiredPolicies, body: unknown): void {
  desired.put(parsePolicies({ policies: body }));
}

/** A missing file is nothing; a damaged one is set aside and reported. False for one that is damaged, or was and nothing came in its place. */
async function restore(path: string, log: Logger, take: (body: unknown) => unknown): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return !existsSync(damagedPath(path));
  try {
    take(JSON.parse(text));
    return true;
  } catch (err) {
    await rename(path, damagedPath(path));
    log.error({ err, path }, 'the list of desired policies is damaged and was set aside');
    return false;
  }
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
