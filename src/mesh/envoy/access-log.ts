import type { AccessLog } from './types.ts';

/**
 * Istio's default text format, field for field, and the peer's SPIFFE identity after it, so that a line says who was refused.
 * Fields that a protocol lacks print as `-`: one format serves HTTP and TCP. Source: Istio's documentation of access logging.
 */
export const accessLogFormat = `${[
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
].join(' ')}\n`;

const toStandardOutput: AccessLog = {
  name: 'envoy.access_loggers.stdout',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
    log_format: { text_format_source: { inline_string: accessLogFormat } },
  },
};

/** One line per request or, for TCP, per connection. */
export const accessLog: readonly AccessLog[] = [toStandardOutput];

/**
 * For the listener itself: one line for a connection that no filter chain took (response flag NR), which is how plaintext at a STRICT port
 * ends. Filter chains log all others themselves.
 */
export const refusedConnectionLog: readonly AccessLog[] = [{ ...toStandardOutput, filter: { response_flag_filter: { flags: ['NR'] } } }];
