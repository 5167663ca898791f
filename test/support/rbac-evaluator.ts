/**
 * Envoy's RBAC filters in small, for tests: decides from the JSON that Envoy would be given, by Envoy's rules and not by Istio's. It knows only the
 * matchers that we write and throws on anything else, so that a new matcher cannot pass a test unseen.
 * Source: envoy source/extensions/filters/common/rbac/{engine_impl,matchers}.cc and the RBAC filter's documentation.
 */
export interface RbacRequest {
  /** Null: a TCP connection, of which only addresses and certificates are known. */
  readonly http: {
    readonly method: string;
    readonly path: string;
    readonly host: string;
    readonly headers: Readonly<Record<string, string>>;
  } | null;
  /** URI SANs of the client certificate; null: no TLS. */
  readonly peer: readonly string[] | null;
  readonly source: string;
  /** The original client's address, where it differs from `source`. */
  readonly remote: string;
  readonly destination: string;
  readonly port: number;
  readonly sni: string;
}

/** What the chain of filters decides. `policy` is the rule that denied, or null where no rule allowed. */
export type RbacDecision =
  | { readonly kind: 'allow'; readonly logged: boolean }
  | { readonly kind: 'deny'; readonly policy: string | null; readonly logged: boolean };

type Json = Readonly<Record<string, unknown>>;

/** Runs a request through RBAC filters in their order. The first that denies ends it. */
export function evaluateRbac(filters: readonly { readonly typed_config: object }[], request: RbacRequest): RbacDecision {
  let logged = false;
  for (const filter of filters) {
    const rules = 'rules' in filter.typed_config ? object(filter.typed_config.rules) : null;
    if (rules === null) continue;
    const matched = Object.entries(object(rules.policies)).find(([, policy]) => policyMatches(object(policy), request))?.[0] ?? null;
    switch (rules.action) {
      case 'LOG':
        logged ||= matched !== null;
        break;
      case 'DENY':
        if (matched !== null) return { kind: 'deny', policy: matched, logged };
        break;
      case 'ALLOW':
        if (matched === null) return { kind: 'deny', policy: null, logged };
        break;
      default:
        throw new Error(`unknown action ${String(rules.action)}`);
    }
  }
  return { kind: 'allow', logged };
}

function policyMatches(policy: Json, request: RbacRequest): boolean {
  const permissions = list(policy.permissions);
  const principals = list(policy.principals);
  if (permissions.length === 0 || principals.length === 0) throw new Error('Envoy refuses a policy without permissions or principals');
  return permissions.some((permission) => matches(permission, request)) && principals.some((principal) => matches(principal, request));
}

function matches(matcher: Json, request: RbacRequest): boolean {
  const entries = Object.entries(matcher);
  const [entry] = entries;
  if (entry === undefined || entries.length !== 1) throw new Error(`not a oneof: ${JSON.stringify(matcher)}`);
  const [kind, value] = entry;
  switch (kind) {
    case 'any':
      return value === true;
    case 'and_rules':
      return nonEmpty(object(value).rules).every((part) => matches(part, request));
    case 'and_ids':
      return nonEmpty(object(value).ids).every((part) => matches(part, request));
    case 'or_rules':
      return nonEmpty(object(value).rules).some((part) => matches(part, request));
    case 'or_ids':
      return nonEmpty(object(value).ids).some((part) => matches(part, request));
    case 'not_rule':
    case 'not_id':
      return !matches(object(value), request);
    case 'header':
      return headerMatches(object(value), request);
    case 'url_path':
      return stringMatches(object(object(value).path), pathOf(request));
    case 'uri_template':
      return templateMatches(text(object(object(value).typed_config).path_template), pathOf(request));
    case 'destination_ip':
      return inRange(object(value), request.destination);
    case 'destination_port':
      return value === request.port;
    case 'requested_server_name':
      return stringMatches(object(value), request.sni);
    case 'direct_remote_ip':
      return inRange(object(value), request.source);
    case 'remote_ip':
      return inRange(object(value), request.remote);
    case 'authenticated':
      return authenticated(object(value), request);
    default:
      throw new Error(`unknown matcher ${kind}`);
  }
}

function authenticated(value: Json, { peer }: RbacRequest): boolean {
  if (peer === null) return false;
  const name = value.principal_name;
  if (name === undefined) return true;
  // Without any SAN Envoy compares the subject; none of the certificates here has one.
  return (peer.length === 0 ? [''] : peer).some((san) => stringMatches(object(name), san));
}

function headerMatches(matcher: Json, request: RbacRequest): boolean {
  if (request.http === null) throw new Error('a header matcher on a TCP connection');
  const { method, path, host, headers } = request.http;
  const all: Record<string, string> = { ':method': method, ':path': path, ':authority': host };
  for (const [name, value] of Object.entries(headers)) all[name.toLowerCase()] = value;
  const actual = all[text(matcher.name).toLowerCase()];
  if (matcher.present_match === true) return actual !== undefined;
  return actual !== undefined && stringMatches(object(matcher.string_match), actual);
}

function stringMatches(matcher: Json, actual: string): boolean {
  const { ignore_case: ignoreCase = false, ...pattern } = matcher;
  const [entry] = Object.entries(pattern);
  if (entry === undefined) throw new Error('an empty string matcher');
  const [kind, value] = entry;
  if (kind === 'safe_regex') return new RegExp(`^(?:${text(object(value).regex)})$`, 's').test(actual);
  const fold = (s: string): string => (ignoreCase === true ? s.toLowerCase() : s);
  const wanted = fold(text(value));
  if (wanted === '' && kind !== 'exact') throw new Error(`Envoy refuses an empty ${kind}`);
  switch (kind) {
    case 'exact':
      return fold(actual) === wanted;
    case 'prefix':
      return fold(actual).startsWith(wanted);
    case 'suffix':
      return fold(actual).endsWith(wanted);
    default:
      throw new Error(`unknown string matcher ${kind}`);
  }
}

/** `*` is one segment that is not empty, `**` any number of segments, none included. */
function templateMatches(template: string, path: string): boolean {
  const wanted = template.split('/').slice(1);
  const actual = path.split('/').slice(1);
  for (const [index, segment] of wanted.entries()) {
    if (segment === '**') {
      const rest = actual.slice(index);
      const after = wanted.slice(index + 1);
      return after.every((part, i) => rest[rest.length - after.length + i] === part) && rest.length >= after.length;
    }
    const found = actual[index];
    if (found === undefined || (segment === '*' ? found === '' : segment !== found)) return false;
  }
  return wanted.length === actual.length;
}

function inRange(range: Json, address: string): boolean {
  const wanted = bits(text(range.address_prefix));
  const actual = bits(address);
  const length = range.prefix_len;
  if (typeof length !== 'number') throw new Error('a range without a length');
  return wanted.length === actual.length && wanted.slice(0, length) === actual.slice(0, length);
}

function bits(address: string): string {
  if (!address.includes(':'))
    return address
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('');
  const [head = '', tail] = address.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const right = groups(tail ?? '');
  const left = groups(head);
  const middle = new Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...middle, ...right].map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0')).join('');
}

function pathOf(request: RbacRequest): string {
  if (request.http === null) throw new Error('a path matcher on a TCP connection');
  return request.http.path.split(/[?#]/)[0] ?? '';
}

function object(value: unknown): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`not an object: ${JSON.stringify(value)}`);
  return { ...value };
}

function list(value: unknown): Json[] {
  if (!Array.isArray(value)) throw new Error(`not a list: ${JSON.stringify(value)}`);
  return value.map(object);
}

function nonEmpty(value: unknown): Json[] {
  const parts = list(value);
  if (parts.length === 0) throw new Error('Envoy refuses an empty set');
  return parts;
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new Error(`not a string: ${JSON.stringify(value)}`);
  return value;
}
