import type { Alias, Node, Pair, Scalar, YAMLMap } from 'yaml';
import { Composer, isAlias, isMap, isScalar, isSeq, LineCounter, Parser } from 'yaml';
import type { SourcePosition } from '../base/errors.ts';
import type { FieldPath, IssueList } from './issues.ts';
import { show } from './issues.ts';

/** One YAML document as plain data, with the way back to where each value stands in the text. */
export interface YamlDocument {
  readonly value: unknown;
  /** Place of the value at `path`, or of the nearest thing around it that exists. */
  positionOf(path: FieldPath): SourcePosition;
  /** As `positionOf`, but the place of the field's name, for a field that should not be there. */
  positionOfKey(path: FieldPath): SourcePosition;
}

/** Bounds of what one apply may hold. A hostile file must end in an error, not in a machine without memory. */
export const limits = {
  documents: 10_000,
  bytes: 16 * 1024 * 1024,
  /** Nesting of one document; a Pod needs about 12. */
  depth: 100,
  /** Values that aliases may add to a file, all together. */
  aliasedValues: 100_000,
} as const;

/**
 * Splits a file into its documents, in order; empty ones are left out. Issues: broken YAML, a field given twice, aliases that expand without bound,
 * nesting over 100, a field named `__proto__`. `onDocument` false stops the reading.
 */
export function readYaml(text: string, file: string, issues: IssueList, onDocument: (document: YamlDocument) => boolean): void {
  const lines = new LineCounter();
  const at = (offset: number): SourcePosition => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const syntax = (problem: string, cure: string, offset: number) => {
    issues.add({ code: 'MANIFEST_SYNTAX', subject: show(file), problem, cure, position: at(offset) });
  };
  const tooDeep = (offset: number) => syntax('it is nested too deeply', `Keep the nesting under ${limits.depth} levels.`, offset);
  // Unique keys are checked below with a set: the library compares each pair of keys, which takes hours for a map of a million.
  const composer = new Composer({ prettyErrors: false, uniqueKeys: false });
  const converter = createConverter(syntax);
  let documents = 0;
  try {
    for (const document of composer.compose(new Parser(lines.addNewLine).parse(text))) {
      const [error] = document.errors;
      if (error !== undefined) {
        if (error.message.includes('call stack')) tooDeep(error.pos[0]);
        else
          syntax(
            `the YAML is broken (${oneLine(error.message)})`,
            'Correct the YAML at this place; indentation is by spaces only.',
            error.pos[0],
          );
        // After the first break the rest of the text is read out of step, and each further error would be noise.
        return;
      }
      documents += 1;
      if (documents > limits.documents) {
        issues.add({
          code: 'MANIFEST_TOO_LARGE',
          subject: show(file),
          problem: `an apply is limited to ${limits.documents} documents`,
          cure: 'Apply the objects in several files, one after the other.',
          position: at(document.range[0]),
        });
        return;
      }
      const root = document.contents;
      if (root === null || (isScalar(root) && root.value === null)) continue;
      const converted = converter.convert(root);
      if (converted === failed) continue;
      const read = { value: converted, positionOf: position(root, 'value'), positionOfKey: position(root, 'key') };
      if (!onDocument(read)) return;
    }
  } catch (error) {
    // The library walks nested collections by recursion.
    if (!(error instanceof RangeError)) throw error;
    tooDeep(0);
  }

  function position(root: Node, which: 'key' | 'value') {
    return (path: FieldPath) => at(converter.offsetOf(root, path, which));
  }
}

const failed = Symbol('failed');

interface Measured {
  readonly value: unknown;
  /** Values in it, itself included, aliases expanded. */
  readonly size: number;
}

function createConverter(syntax: (problem: string, cure: string, offset: number) => void) {
  /** What each alias stands for: an anchor may be set again later in the same document. */
  const targets = new WeakMap<Alias, Node>();
  let aliased = 0;

  class Refused extends Error {}
  function refuse(problem: string, cure: string, node: unknown): never {
    syntax(problem, cure, startOf(node));
    throw new Refused();
  }

  function convert(root: Node): unknown {
    const anchors = new Map<string, { node: Node; measured: Measured | null }>();
    try {
      return visit(root, 0).value;
    } catch (error) {
      if (error instanceof Refused) return failed;
      throw error;
    }

    function visit(node: unknown, depth: number): Measured {
      if (depth > limits.depth) refuse('it is nested too deeply', `Keep the nesting under ${limits.depth} levels.`, node);
      if (isAlias(node)) return follow(node);
      const anchor = (isScalar(node) || isMap(node) || isSeq(node)) && node.anchor ? { node, measured: null as Measured | null } : null;
      if (anchor?.node.anchor) anchors.set(anchor.node.anchor, anchor);
      const measured = isMap(node) ? visitMap(node, depth) : isSeq(node) ? visitSeq(node.items, depth) : visitScalar(node);
      if (anchor !== null) anchor.measured = measured;
      return measured;
    }

    function follow(alias: Alias): Measured {
      const target = anchors.get(alias.source);
      if (target === undefined)
        refuse(`the alias *${alias.source} has no anchor before it`, `Write &${alias.source} before the value that is meant.`, alias);
      if (target.measured === null) refuse(`the alias *${alias.source} stands inside its own anchor`, 'Write the value out.', alias);
      targets.set(alias, target.node);
      aliased += target.measured.size;
      if (aliased > limits.aliasedValues)
        refuse(`its aliases expand to more than ${limits.aliasedValues} values`, 'Write the values out, or in fewer places.', alias);
      return target.measured;
    }

    function visitSeq(items: readonly unknown[], depth: number): Measured {
      let size = 1;
      const value = items.map((item) => {
        const measured = visit(item, depth + 1);
        size += measured.size;
        return measured.value;
      });
      return { value, size };
    }

    function visitMap(map: YAMLMap, depth: number): Measured {
      const value: Record<string, unknown> = {};
      const merged: Record<string, unknown>[] = [];
      let size = 1;
      for (const pair of map.items) {
        const measured = visit(pair.value, depth + 1);
        size += measured.size;
        if (isMergeKey(pair)) {
          merged.push(...mergeSources(measured.value, pair));
          continue;
        }
        const key = keyOf(pair);
        if (Object.hasOwn(value, key)) refuse(`the field ${show(key)} is given twice`, 'Remove one of the two.', pair.key);
        value[key] = measured.value;
      }
      for (const source of merged) for (const [key, item] of Object.entries(source)) if (!Object.hasOwn(value, key)) value[key] = item;
      return { value, size };
    }

    function mergeSources(value: unknown, pair: Pair): Record<string, unknown>[] {
      const sources = Array.isArray(value) ? value : [value];
      if (!sources.every(isRecord))
        refuse('the value of << is not a map', 'Give << an alias of a map, or a list of such aliases.', pair.key);
      return sources;
    }
  }

  function keyOf(pair: Pair): string {
    const { key } = pair;
    if (!isScalar(key) || key.value === null || typeof key.value === 'object')
      refuse('the name of a field is not a string', 'Write a plain name before the colon.', key ?? pair.value);
    const name = typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
    if (name === '__proto__') refuse('a field has the name __proto__', 'Remove it.', key);
    return name;
  }

  function visitScalar(node: unknown): Measured {
    return { value: isScalar(node) ? node.value : null, size: 1 };
  }

  function offsetOf(root: Node, path: FieldPath, which: 'key' | 'value'): number {
    let node: Node = root;
    let offset = startOf(root);
    for (const [index, step] of path.entries()) {
      const found = child(node, step);
      if (found === null) return offset;
      const last = index === path.length - 1;
      offset = startOf(found.key !== null && (which === 'key' || found.value === null) && last ? found.key : (found.value ?? found.key));
      if (found.value === null) return offset;
      node = found.value;
    }
    return offset;
  }

  function child(parent: Node, step: string | number): { key: Node | null; value: Node | null } | null {
    const node = resolve(parent);
    if (isSeq(node)) {
      const item = typeof step === 'number' ? node.items[step] : undefined;
      return isNode(item) ? { key: null, value: item } : null;
    }
    if (!isMap(node)) return null;
    for (const pair of node.items) {
      if (!isMergeKey(pair) && isScalar(pair.key) && keyText(pair.key) === String(step))
        return { key: pair.key, value: isNode(pair.value) ? pair.value : null };
    }
    for (const pair of node.items) {
      if (!isMergeKey(pair) || !isNode(pair.value)) continue;
      const source = resolve(pair.value);
      for (const item of isSeq(source) ? source.items : [source]) {
        const found = isNode(item) ? child(item, step) : null;
        if (found !== null) return found;
      }
    }
    return null;
  }

  function resolve(node: Node): Node {
    return isAlias(node) ? (targets.get(node) ?? node) : node;
  }

  return { convert, offsetOf };
}

function keyText(key: Scalar): string {
  return typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
}

function isMergeKey(pair: Pair): boolean {
  return isScalar(pair.key) && pair.key.value === '<<' && pair.key.type === 'PLAIN';
}

function isNode(value: unknown): value is Node {
  return isMap(value) || isSeq(value) || isScalar(value) || isAlias(value);
}

function startOf(node: unknown): number {
  return isNode(node) ? (node.range?.[0] ?? 0) : 0;
}

/** Whether a value is a map of YAML. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The library's message, which may quote the file, safe to print and without its place, which the error carries by itself. */
function oneLine(message: string): string {
  const [line = ''] = message.split('\n');
  return show(line.replace(/:?\s*$/, ''))
    .replace(/^"|"$/g, '')
    .replaceAll('\\"', '"');
}
