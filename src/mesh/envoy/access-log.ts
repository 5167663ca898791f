import type { AccessLog, AccessLogFilter } from './types.ts';

/**
 * Istio's default text format, field for field, and the peer's SPIFFE identity after it, so that a line says who was refused.
 * Fields that a protocol lacks print as `-`: one format serves HTTP and TCP. Source: Istio's documentation of access logging.
 */
export const accessLogFormat = [
  '[%START_TIME%]',
  '"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%"',
  '%RESPONSE_CODE%',
  '%RESPONSE_FLAGS%',
  '%RESPONSE_CODE_DETAILS%',
  '%CONNECTION_TERMINATION_DETAILS%',
  '"%UPSTREAM_TRANSPORT_FAILURE_REASON%"',
  '%BYTES_RECEIVED%',
  '%BYTES_SENT%',
  '%DURATION%',
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  '"%REQ(X-FORWARDED-FOR)%"',
  '"%REQ(USER-AGENT)%"',
  '"%REQ(X-REQUEST-ID)%"',
  '"%REQ(:AUTHORITY)%"',
  '"%UPSTREAM_HOST%"',
  '%UPSTREAM_CLUSTER_RAW%',
  '%UPSTREAM_LOCAL_ADDRESS%',
  '%DOWNSTREAM_LOCAL_ADDRESS%',
  '%DOWNSTREAM_REMOTE_ADDRESS%',
  '%REQUESTED_SERVER_NAME%',
  '%ROUTE_NAME%',
  '"%DOWNSTREAM_PEER_URI_SAN%"',
].join(' ');

/** One line per request or, for TCP, per connection. */
export const accessLog: readonly AccessLog[] = [toStandardOutput(accessLogFormat)];

/** Whether a policy refused the request. An answer of 403 by the application is none of that, so the status alone does not tell. */
const refusedByPolicy = 'response.code_details.startsWith("rbac_access_denied")';

/**
 * As accessLog, for requests that policies judge: the line of a refused one ends with the answer that the client got. The status is asked first, so
 * that the expression costs nothing for other requests.
 */
export const judgedAccessLog: readonly AccessLog[] = [
  { ...toStandardOutput(accessLogFormat), filter: { or_filter: { filters: [status('NE', 403), expression(`!${refusedByPolicy}`)] } } },
  {
    ...toStandardOutput(`${accessLogFormat} "RBAC: access denied"`),
    filter: { and_filter: { filters: [status('EQ', 403), expression(refusedByPolicy)] } },
  },
];

/**
 * For the listener itself: one line for a connection that no filter chain took (response flag NR), which is how plaintext at a STRICT port
 * ends. Filter chains log all others themselves.
 */
export const refusedConnectionLog: readonly AccessLog[] = [
  { ...toStandardOutput(accessLogFormat), filter: { response_flag_filter: { flags: ['NR'] } } },
];

function toStandardOutput(format: string): AccessLog {
  return {
    name: 'envoy.access_loggers.stdout',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
      log_format: { text_format_source: { inline_string: `${format}\n` } },
    },
  };
}

function status(op: 'EQ' | 'NE', value: number): AccessLogFilter {
  // Envoy wants a runtime key; nobody sets it.
  return { status_code_filter: { comparison: { op, value: { default_value: value, runtime_key: 'millrace.access_log.status' } } } };
}

function expression(text: string): AccessLogFilter {
  return {
    extension_filter: {
      name: 'envoy.access_loggers.extension_filters.cel',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter',
        expression: text,
      },
    },
  };
}
