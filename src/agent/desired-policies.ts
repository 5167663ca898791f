import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { PolicyOutcome, PolicySurroundings, PolicyUpdate } from '../api/policy-types.ts';
import { UserError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { replaceList, replaceObject } from '../base/replace-file.ts';
import type { PolicyManifest } from '../manifests/types.ts';
import { toPolicy } from '../policy/model.ts';
import type { Policy, PolicyNamespace, PolicyNode, PolicyPod, PolicyService } from '../policy/types.ts';
import type { PolicyName } from './policy-request.ts';
import { parsePolicies, parsePolicyUpdate } from './policy-request.ts';

type Surroundings = Required<PolicySurroundings>;

const nothing: Surroundings = { namespaces: [], services: [], nodes: [], pods: [], names: {} };

/** A policy that is wished for. */
interface Wish {
  readonly name: PolicyName;
  /** Equal for equal manifests. */
  readonly print: string;
  readonly policy: Policy;
}

/** One of an operator's own; they are few, and written whole each time. */
interface OwnWish extends Wish {
  readonly manifest: PolicyManifest;
}

/**
 * The policies that the agent was asked to enforce, and what they depend on, also on disk: a list that comes whole (from a cluster, a lab), and
 * those that an operator adds one by one, which win where both have a name. What did not change is the same object as before, so that the compiler
 * need not look at it. Of the list only what it means is kept in memory: a large cluster's manifests are as much as all the rest.
 */
export class DesiredPolicies {
  readonly #path: string;
  #listed: ReadonlyMap<string, Wish> = new Map();
  readonly #own = new Map<string, OwnWish>();
  #surroundings: Surroundings = nothing;
  /** The list, until it is on disk. */
  #unsaved: readonly PolicyManifest[] | null = [];
  #failure: string | null = null;
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
    desired.#unsaved = null;
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
  policies(): readonly { readonly policy: Policy; readonly origin: 'list' | 'operator' }[] {
    const found: { policy: Policy; origin: 'list' | 'operator' }[] = [];
    for (const [key, { policy }] of this.#listed) if (!this.#own.has(key)) found.push({ policy, origin: 'list' });
    for (const { policy } of this.#own.values()) found.push({ policy, origin: 'operator' });
    return found;
  }

  /** How many hold. */
  get count(): number {
    let hidden = 0;
    for (const key of this.#own.keys()) if (this.#listed.has(key)) hidden += 1;
    return this.#listed.size + this.#own.size - hidden;
  }

  /** Takes the whole list in the place of the one before. */
  replace(update: PolicyUpdate): readonly PolicyOutcome[] {
    const before = this.#listed;
    this.#lost.delete(this.#path);
    this.#listed = new Map(update.policies.map((manifest) => [keyOf(manifest), wishOf(manifest, before.get(keyOf(manifest)))]));
    const now = this.#surroundings;
    this.#surroundings = {
      namespaces: same<PolicyNamespace>(now.namespaces, update.namespaces),
      services: same<PolicyService>(now.services, update.services),
      nodes: same<PolicyNode>(now.nodes, update.nodes),
      pods: same<PolicyPod>(now.pods, update.pods ?? []),
      names: update.names ?? {},
    };
    this.#unsaved = update.policies;
    return [...this.#listed].map(([key, wish]) => ({ ...wish.name, outcome: outcomeOf(before.get(key), wish) }));
  }

  /** Adds an operator's own, or changes them. */
  put(manifests: readonly PolicyManifest[]): readonly PolicyOutcome[] {
    this.#lost.delete(operatorPath(this.#path));
    return manifests.map((manifest) => {
      const key = keyOf(manifest);
      const before = this.#own.get(key);
      const wish = wishOf(manifest, before);
      if (wish !== before) this.#own.set(key, { ...wish, manifest });
      return { ...wish.name, outcome: outcomeOf(before, wish) };
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

  /** Why what is wished for is not on disk, so that a new agent would not know it; null: it is. */
  get unsaved(): string | null {
    return this.#failure;
  }

  /** Writes what could not be written before. @returns whether there was anything and it is on disk now */
  async saveAgain(): Promise<boolean> {
    if (this.#failure === null) return false;
    await this.save();
    return true;
  }

  /** @throws UserError FILE_UNWRITABLE; the wish counts all the same, and is `unsaved` */
  async save(): Promise<void> {
    try {
      await this.#saveList();
      const own = operatorPath(this.#path);
      const manifests = [...this.#own.values()].map(({ manifest }) => manifest);
      if (!this.#lost.has(own)) await replaceList(own, manifests);
      this.#failure = null;
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
      throw error;
    }
  }

  async #saveList(): Promise<void> {
    const unsaved = this.#unsaved;
    if (unsaved === null || this.#lost.has(this.#path)) return;
    // a map, because the last of a name holds
    const policies = [...new Map(unsaved.map((manifest) => [keyOf(manifest), manifest])).values()];
    await replaceObject(this.#path, { policies, ...this.#surroundings });
    if (this.#unsaved === unsaved) this.#unsaved = null;
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

/** What a manifest wishes for: the very object of before where it says the same. */
function wishOf(manifest: PolicyManifest, before: Wish | undefined): Wish {
  const print = createHash('sha256').update(JSON.stringify(manifest)).digest('base64');
  return before?.print === print ? before : { name: nameOf(manifest), print, policy: toPolicy(manifest) };
}

function outcomeOf(before: Wish | undefined, now: Wish): 'created' | 'configured' | 'unchanged' {
  if (before === undefined) return 'created';
  return before.print === now.print ? 'unchanged' : 'configured';
}

/** What is equal to something of before is that very object. */
function same<T>(before: Iterable<T>, now: readonly T[]): readonly T[] {
  const known = new Map<string, T>();
  for (const item of before) known.set(JSON.stringify(item), item);
  return known.size === 0 ? now : now.map((item) => known.get(JSON.stringify(item)) ?? item);
}
