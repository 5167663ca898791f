import type { Manifest, ManifestKind, NamespaceManifest } from '../../manifests/types.ts';
import { templateHash } from './names.ts';

/** What became of one object; the words are kubectl's. */
export interface ObjectOutcome {
  readonly kind: ManifestKind;
  readonly namespace: string;
  readonly name: string;
  readonly outcome: 'created' | 'configured' | 'unchanged' | 'deleted' | 'not found';
}

/** Names one object. */
export interface ObjectReference {
  readonly kind: ManifestKind;
  readonly namespace: string;
  readonly name: string;
}

/** The desired objects of a lab; immutable, so that a refused apply leaves the old ones in force. */
export class LabObjects {
  readonly #byKey: ReadonlyMap<string, Manifest>;

  constructor(byKey: ReadonlyMap<string, Manifest> = new Map()) {
    this.#byKey = byKey;
  }

  /** A copy with these objects created or replaced. */
  apply(manifests: readonly Manifest[]): { readonly objects: LabObjects; readonly outcomes: readonly ObjectOutcome[] } {
    const next = new Map(this.#byKey);
    const outcomes = manifests.map((manifest): ObjectOutcome => {
      const reference = referenceOf(manifest);
      const key = keyOf(reference);
      const before = next.get(key);
      next.set(key, manifest);
      const outcome = before === undefined ? 'created' : templateHash(before) === templateHash(manifest) ? 'unchanged' : 'configured';
      return { ...reference, outcome };
    });
    return { objects: new LabObjects(next), outcomes };
  }

  /** A copy without these objects; a Namespace takes everything inside with it. */
  delete(references: readonly ObjectReference[]): { readonly objects: LabObjects; readonly outcomes: readonly ObjectOutcome[] } {
    const next = new Map(this.#byKey);
    const outcomes = references.map((reference): ObjectOutcome => {
      // Present before this delete counts: the Namespace document of the same file may just have taken it along.
      const existed = this.#byKey.has(keyOf(reference));
      next.delete(keyOf(reference));
      if (reference.kind === 'Namespace') {
        for (const [key, manifest] of next) if (manifest.metadata.namespace === reference.name) next.delete(key);
      }
      return { ...reference, outcome: existed ? 'deleted' : 'not found' };
    });
    return { objects: new LabObjects(next), outcomes };
  }

  all(): readonly Manifest[] {
    return [...this.#byKey.values()];
  }

  /** Objects of one kind, in the order in which they were first applied. */
  ofKind<K extends ManifestKind>(kind: K): readonly Extract<Manifest, { kind: K }>[] {
    return this.all().filter((manifest): manifest is Extract<Manifest, { kind: K }> => manifest.kind === kind);
  }

  namespace(name: string): NamespaceManifest | null {
    return this.ofKind('Namespace').find((manifest) => manifest.metadata.name === name) ?? null;
  }
}

export function referenceOf(manifest: Manifest): ObjectReference {
  return { kind: manifest.kind, namespace: manifest.metadata.namespace, name: manifest.metadata.name };
}

function keyOf({ kind, namespace, name }: ObjectReference): string {
  return `${kind}/${namespace}/${name}`;
}
