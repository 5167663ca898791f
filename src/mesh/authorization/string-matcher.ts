import type { HeaderMatcher, StringMatcher } from './envoy-rbac.ts';

/**
 * Istio's four forms of a value: `*` (present and not empty), `*abc` (suffix), `abc*` (prefix), `abc` (exact). A `*` in the middle is
 * an ordinary character. Source: Istio's AuthorizationPolicy reference, "Exact, prefix, suffix and presence match".
 */
export function stringMatcher(value: string): StringMatcher {
  if (value === '*') return { safe_regex: { regex: '.+' } };
  if (value.startsWith('*')) return { suffix: value.slice(1) };
  if (value.endsWith('*')) return { prefix: value.slice(0, -1) };
  return { exact: value };
}

/** As stringMatcher, without regard to the case of letters; for hosts. `value` is not `*`. */
export function caseInsensitiveMatcher(value: string): StringMatcher {
  if (value.startsWith('*')) return { suffix: value.slice(1), ignore_case: true };
  if (value.endsWith('*')) return { prefix: value.slice(0, -1), ignore_case: true };
  return { exact: value, ignore_case: true };
}

/** As stringMatcher, on a header; `*` asks only that the header is there. */
export function headerMatcher(name: string, value: string): HeaderMatcher {
  return value === '*' ? { name, present_match: true } : { name, string_match: stringMatcher(value) };
}

/** As headerMatcher, on `:authority`, without regard to case. A port in the request's authority is a part of the value. */
export function hostMatcher(value: string): HeaderMatcher {
  return value === '*' ? { name: ':authority', present_match: true } : { name: ':authority', string_match: caseInsensitiveMatcher(value) };
}

/** Makes every character of `text` stand for itself in RE2, the syntax of Envoy's safe_regex. */
export function quoteRegex(text: string): string {
  return text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
}
