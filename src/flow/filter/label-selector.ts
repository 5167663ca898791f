import type { Flow } from '../types.ts';
import { filterError } from './error.ts';
import type { Matcher } from './matcher.ts';

interface Label {
  /** `k8s`, `reserved`; empty where the text has none. */
  readonly source: string;
  readonly key: string;
  readonly value: string;
}

type Requirement = (labels: readonly Label[]) => boolean;

/**
 * Kubernetes label selectors over labels with sources: `app=sleep`, `k8s:app in (a, b)`, `!reserved:host`, several with commas, all of which must
 * hold. A key without a source matches any. @throws MillraceError FILTER_INVALID
 */
export function labelMatcher(field: string, selectors: readonly string[], of: (flow: Flow) => readonly string[]): Matcher {
  const parsed = selectors.map((selector) => parseSelector(field, selector));
  return (flow) => {
    const labels = of(flow).map(parseLabel);
    return parsed.some((requirements) => requirements.every((holds) => holds(labels)));
  };
}

function parseLabel(text: string): Label {
  const equals = text.indexOf('=');
  const name = equals < 0 ? text : text.slice(0, equals);
  const colon = name.indexOf(':');
  return {
    source: colon < 0 ? '' : name.slice(0, colon),
    key: colon < 0 ? name : name.slice(colon + 1),
    value: equals < 0 ? '' : text.slice(equals + 1),
  };
}

const keyPattern = '(?:[A-Za-z0-9_.-]+:)?[A-Za-z0-9]([A-Za-z0-9_./-]*[A-Za-z0-9])?';
const requirementPattern = new RegExp(
  `^\\s*(?:(?<not>!)\\s*(?<absent>${keyPattern})|(?<key>${keyPattern})(?:\\s*(?<operator>==|=|!=|<|>)\\s*(?<value>[^,\\s()]*)|\\s+(?<set>in|notin)\\s*\\((?<values>[^()]*)\\))?)\\s*$`,
);
const longestSelector = 1024;

function parseSelector(field: string, selector: string): readonly Requirement[] {
  if (selector.length > longestSelector) throw filterError(field, `it is longer than ${longestSelector} characters`, selector);
  if (selector.trim() === '') return [];
  return splitAtCommas(selector).map((part) => {
    const groups = requirementPattern.exec(part)?.groups;
    if (groups === undefined) throw filterError(field, 'it is not a label selector', selector);
    return requirement(field, selector, groups);
  });
}

/** Commas between requirements, not those inside parentheses. */
function splitAtCommas(selector: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let index = 0; index < selector.length; index++) {
    const character = selector[index];
    if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    else if (character === ',' && depth === 0) {
      parts.push(selector.slice(from, index));
      from = index + 1;
    }
  }
  return [...parts, selector.slice(from)];
}

function requirement(field: string, selector: string, groups: Readonly<Record<string, string | undefined>>): Requirement {
  const { absent, key = '', operator, value = '', set, values = '' } = groups;
  if (absent !== undefined) {
    const find = finder(absent);
    return (labels) => find(labels) === undefined;
  }
  const find = finder(key);
  if (set !== undefined) {
    const wanted = new Set(values.split(',').map((text) => text.trim()));
    return set === 'in'
      ? (labels) => {
          const found = find(labels);
          return found !== undefined && wanted.has(found);
        }
      : (labels) => {
          const found = find(labels);
          return found === undefined || !wanted.has(found);
        };
  }
  switch (operator) {
    case undefined:
      return (labels) => find(labels) !== undefined;
    case '!=':
      return (labels) => find(labels) !== value;
    case '<':
    case '>': {
      if (!/^-?\d+$/.test(value)) throw filterError(field, `'${operator}' compares whole numbers`, selector);
      const bound = Number(value);
      return (labels) => {
        const found = find(labels);
        if (found === undefined || !/^-?\d+$/.test(found)) return false;
        return operator === '<' ? Number(found) < bound : Number(found) > bound;
      };
    }
    default:
      return (labels) => find(labels) === value;
  }
}

/** The value of the first label with a key; undefined where none has it. */
function finder(name: string): (labels: readonly Label[]) => string | undefined {
  const colon = name.indexOf(':');
  const source = colon < 0 ? 'any' : name.slice(0, colon);
  const key = name.slice(colon + 1);
  return (labels) => labels.find((label) => label.key === key && (source === 'any' || source === label.source))?.value;
}
