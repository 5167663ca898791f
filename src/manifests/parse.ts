import { UserError } from '../base/errors.ts';
import { withoutNulls } from './decode.ts';
import { ignoredFields } from './ignored-fields.ts';
import type { FieldPath } from './issues.ts';
import { formatPath, IssueList, show } from './issues.ts';
import { knownKinds, rulesOf } from './kinds.ts';
import { nearName } from './near-name.ts';
import { suspectPatterns } from './suspect-patterns.ts';
import type { Manifest, ManifestWarning } from './types.ts';
import type { YamlDocument } from './yaml-tree.ts';
import { isRecord, limits, readYaml } from './yaml-tree.ts';

/** What one or several files hold, in the order in which it is written. */
export interface ParsedManifests {
  readonly manifests: readonly Manifest[];
  readonly warnings: readonly ManifestWarning[];
}

export interface ParseOptions {
  /** Namespace of objects that name none; `default` unless told. */
  readonly defaultNamespace?: string;
}

/**
 * Reads Kubernetes objects from YAML (or JSON) of one or more documents. `file` is for positions only. `List` objects are opened.
 * Throws one UserError for the first of all problems, with its place, a count of the others and a list of them in `data.problems`:
 * MANIFEST_SYNTAX, MANIFEST_INVALID, MANIFEST_UNKNOWN_KIND, MANIFEST_DUPLICATE, MANIFEST_TOO_LARGE (over 16 MiB or 10,000 objects).
 */
export function parseManifests(text: string, file: string, options: ParseOptions = {}): ParsedManifests {
  checkSize(Buffer.byteLength(text), file);
  const reading = createReading(file, options.defaultNamespace ?? 'default');
  readYaml(text, file, reading.issues, (document) => reading.object(document, document.value, []));
  reportDuplicates(reading.manifests, reading.issues);
  reading.issues.throwIfAny();
  return { manifests: reading.manifests, warnings: reading.warnings };
}

/** Throws MANIFEST_TOO_LARGE where `bytes` is over 16 MiB. */
export function checkSize(bytes: number, file: string): void {
  if (bytes <= limits.bytes) return;
  throw new UserError(
    'MANIFEST_TOO_LARGE',
    `Cannot read ${show(file)} because an apply is limited to ${limits.bytes} bytes: current value ${bytes}`,
    {
      cure: 'Apply the objects in several files, one after the other.',
      where: { file, line: 1, column: 1 },
    },
  );
}

/** Adds an issue for each object whose kind, namespace and name an earlier one has. */
export function reportDuplicates(manifests: readonly Manifest[], issues: IssueList): void {
  const first = new Map<string, Manifest>();
  for (const manifest of manifests) {
    const { kind, metadata, position } = manifest;
    const key = `${kind}/${metadata.namespace}/${metadata.name}`;
    const other = first.get(key);
    if (other === undefined) {
      first.set(key, manifest);
      continue;
    }
    issues.add({
      code: 'MANIFEST_DUPLICATE',
      subject: `${kind} ${metadata.name}`,
      problem: `the same object is at ${other.position.file}:${other.position.line}`,
      value: { kind, namespace: metadata.namespace, name: metadata.name },
      cure: 'Remove one of the two, or give them different names or namespaces.',
      position,
    });
  }
}

function createReading(file: string, defaultNamespace: string) {
  const issues = new IssueList();
  const manifests: Manifest[] = [];
  const warnings: ManifestWarning[] = [];
  let seen = 0;

  /** Reads one object, or each item of a List; false: too many, stop. */
  function object(document: YamlDocument, written: unknown, path: FieldPath): boolean {
    if (isRecord(written) && written.kind === 'List' && written.apiVersion === 'v1') return list(document, written.items, path);
    seen += 1;
    if (seen > limits.documents) {
      issues.add({
        code: 'MANIFEST_TOO_LARGE',
        subject: show(file),
        problem: `an apply is limited to ${limits.documents} objects`,
        cure: 'Apply the objects in several files, one after the other.',
        position: document.positionOf(path),
      });
      return false;
    }
    const kind = kindOf(document, written, path);
    if (kind !== null) read(kind, document, written, path);
    return true;
  }

  function list(document: YamlDocument, items: unknown, path: FieldPath): boolean {
    if (items === null || items === undefined) return true;
    if (Array.isArray(items)) return items.every((item, index) => object(document, item, [...path, 'items', index]));
    invalid(document, [...path, 'items'], 'List', 'items must be a list', items, 'Write the objects as a list.');
    return true;
  }

  function kindOf(document: YamlDocument, written: unknown, path: FieldPath): string | null {
    const subject = path.length === 0 ? `object ${seen}` : formatPath(path);
    if (!isRecord(written)) {
      invalid(document, path, subject, 'it is not a map', written, 'Write an object with apiVersion, kind and metadata.');
      return null;
    }
    const { kind, apiVersion } = written;
    if (typeof kind !== 'string' || kind === '') {
      invalid(
        document,
        [...path, 'kind'],
        subject,
        'kind is missing or not a string',
        kind ?? undefined,
        `Add it: one of ${knownKinds.join(', ')}.`,
      );
      return null;
    }
    const rules = rulesOf(kind);
    if (rules === null) {
      const near = nearName(kind, knownKinds);
      issues.add({
        code: 'MANIFEST_UNKNOWN_KIND',
        subject,
        problem: 'its kind is not known',
        value: kind,
        cure: `${near === null ? '' : `Did you mean ${near}? `}Known kinds: ${knownKinds.join(', ')}.`,
        position: document.positionOf([...path, 'kind']),
      });
      return null;
    }
    if (typeof apiVersion !== 'string' || !rules.apiVersions.includes(apiVersion)) {
      const problem = apiVersion === undefined || apiVersion === null ? 'apiVersion is missing' : `apiVersion is not one that ${kind} has`;
      invalid(
        document,
        [...path, 'apiVersion'],
        `${kind} ${nameOf(written)}`,
        problem,
        apiVersion ?? undefined,
        `Write ${rules.apiVersions.join(' or ')}.`,
      );
      return null;
    }
    return kind;
  }

  function read(kind: string, document: YamlDocument, written: unknown, path: FieldPath): void {
    const rules = rulesOf(kind);
    if (rules === null) return;
    const value = withoutNulls(written);
    const subject = `${kind} ${nameOf(written)}`;
    const { namespaced } = rules;
    const metadata = isRecord(value) ? value.metadata : undefined;
    if (!namespaced && isRecord(metadata) && metadata.namespace !== undefined) {
      const at = [...path, 'metadata', 'namespace'];
      invalid(
        document,
        at,
        subject,
        `${kind} belongs to the whole cluster and has no namespace`,
        metadata.namespace,
        'Remove metadata.namespace.',
      );
      return;
    }
    const manifest = rules.read({ document, value, path, subject, defaultNamespace, namespaced, issues });
    if (manifest === null) return;
    manifests.push(manifest);
    warn(manifest, subject, document, value, path);
  }

  function warn(manifest: Manifest, subject: string, document: YamlDocument, value: unknown, path: FieldPath): void {
    if (manifest.kind === 'CiliumNetworkPolicy' || manifest.kind === 'CiliumClusterwideNetworkPolicy') {
      for (const { path: fault, message } of manifest.faults) {
        const full = [...path, ...fault];
        warnings.push({
          message: `${formatPath(full) || 'the object'} makes ${subject} invalid: ${message}`,
          position: document.positionOf(full),
        });
      }
    }
    for (const ignored of ignoredFields(manifest.kind, value)) {
      const full = [...path, ...ignored.path];
      warnings.push({ message: `${formatPath(full)} of ${subject} ${ignored.effect}`, position: document.positionOfKey(full) });
    }
    for (const { message, path: suspect } of suspectPatterns(manifest)) {
      const full = [...path, ...suspect];
      warnings.push({ message: `${formatPath(full)} of ${subject} ${message}`, position: document.positionOf(full) });
    }
  }

  function invalid(document: YamlDocument, path: FieldPath, subject: string, problem: string, value: unknown, cure: string): void {
    issues.add({
      code: 'MANIFEST_INVALID',
      subject,
      problem,
      ...(value === undefined ? {} : { value }),
      cure,
      position: document.positionOf(path),
    });
  }

  return { issues, manifests, warnings, object };
}

function nameOf(written: unknown): string {
  const metadata = isRecord(written) ? written.metadata : undefined;
  const name = isRecord(metadata) ? metadata.name : undefined;
  if (typeof name !== 'string') return 'without a name';
  return /^[A-Za-z0-9.-]{1,253}$/.test(name) ? name : show(name);
}
