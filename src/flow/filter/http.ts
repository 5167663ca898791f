import { eventType } from '../codes.ts';
import type { Flow, HttpRecord } from '../types.ts';
import { filterError } from './error.ts';
import { expressionMatcher } from './expression.ts';
import type { Matcher } from './matcher.ts';
import { given } from './matcher.ts';
import type { FlowFilter } from './types.ts';

/** What a filter asks of requests, answers and queries for names. */
export function httpMatchers(filter: FlowFilter): readonly Matcher[] {
  const only = <T>(field: string, list: readonly T[] | undefined, make: (list: readonly T[]) => Matcher): readonly Matcher[] =>
    given(list, (values) => {
      requireHttpEvents(field, filter);
      return make(values);
    });
  return [
    ...only('http_status_code', filter.httpStatusCode, statusMatcher),
    ...only('http_method', filter.httpMethod, (list) => {
      const methods = new Set(list.map((method) => method.toUpperCase()));
      return (flow) => methods.has(httpOf(flow)?.method.toUpperCase() ?? '') && httpOf(flow)?.method !== '';
    }),
    ...only('http_path', filter.httpPath, (list) => {
      const matches = expressionMatcher('http_path', list);
      return (flow) => {
        const path = pathOf(httpOf(flow)?.url ?? '');
        return path !== null && matches(path);
      };
    }),
    ...only('http_url', filter.httpUrl, (list) => {
      const matches = expressionMatcher('http_url', list);
      return (flow) => {
        const url = httpOf(flow)?.url ?? '';
        return url !== '' && matches(url);
      };
    }),
    ...only('http_header', filter.httpHeader, (list) => {
      return (flow) =>
        httpOf(flow)?.headers.some(({ key, value }) => list.some((header) => header.key === key && header.value === value)) ?? false;
    }),
    ...given(filter.dnsQuery, (list) => {
      const matches = expressionMatcher('dns_query', list);
      return (flow) => flow.l7?.record.case === 'dns' && matches(flow.l7.record.value.query);
    }),
  ];
}

function httpOf(flow: Flow): HttpRecord | undefined {
  return flow.l7?.record.case === 'http' ? flow.l7.record.value : undefined;
}

/** A filter for HTTP together with one for events that are never HTTP would find nothing; that is a mistake to tell. */
function requireHttpEvents(field: string, { eventType: types }: FlowFilter): void {
  if (types === undefined || types.length === 0 || types.some(({ type }) => type === eventType.accessLog)) return;
  throw filterError(field, "the filter's event types leave out l7", types.map(({ type }) => type).join(', '));
}

function statusMatcher(list: readonly string[]): Matcher {
  const prefixes = list.map((text) => {
    if (/^[1-5][0-9]{2}$/.test(text)) return text;
    if (/^[1-5][0-9]?\+$/.test(text)) return text.slice(0, -1);
    throw filterError('http_status_code', "it is neither a status like 404 nor a prefix like '5+'", text);
  });
  return (flow) => {
    const code = httpOf(flow)?.code ?? 0;
    if (code === 0) return false;
    const text = String(code).padStart(3, '0');
    return prefixes.some((prefix) => text.startsWith(prefix));
  };
}

/** The decoded path of an absolute URL or of one that begins with a slash; null where there is none. */
function pathOf(url: string): string | null {
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*([^?#]*)/i.exec(url);
  const path = absolute !== null ? (absolute[1] ?? '') : url.startsWith('/') ? (/^[^?#]*/.exec(url)?.[0] ?? '') : null;
  if (path === null) return null;
  try {
    return decodeURIComponent(path);
  } catch {
    // a stray percent sign: no path that anybody could have meant
    return null;
  }
}
