/**
 * Every failure that Millrace raises on purpose, by its stable code. docs/errors.md documents each one and a test holds the two together.
 * A code is never reused for another meaning.
 */
export const errorCodes = {
  // the machine
  MACHINE_NOT_ROOT: 'the command needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_BPF)',
  MACHINE_KERNEL_TOO_OLD: 'the kernel lacks a feature that cannot be replaced',
  MACHINE_NO_CGROUP2: 'no cgroup v2 hierarchy is mounted',
  MACHINE_NO_BPFFS: 'no bpf file system is mounted and none can be mounted',
  MACHINE_NO_REGISTRY: 'a package registry cannot be reached',
  MACHINE_MISSING_PROGRAM: 'a program of the machine is missing',
  // the command line and files
  USAGE: 'the command line is wrong',
  FILE_UNREADABLE: 'a file cannot be read',
  FILE_UNWRITABLE: 'a file cannot be written',
  // manifests
  MANIFEST_SYNTAX: 'a manifest is not valid YAML',
  MANIFEST_INVALID: 'a manifest has a wrong or missing field',
  MANIFEST_UNKNOWN_KIND: 'a manifest has a kind that Millrace does not know',
  MANIFEST_DUPLICATE: 'two manifests have the same kind, namespace and name',
  MANIFEST_TOO_LARGE: 'too many documents or too many bytes in one apply',
  IMAGE_UNKNOWN: 'no program of the lab stands for this image',
  // pods and annotations
  ANNOTATION_INVALID: 'an annotation has a value that is not allowed',
  POD_NAME_INVALID: 'a pod name is not an RFC 1123 subdomain',
  POD_UNKNOWN: 'no pod of this name is known',
  NETNS_INVALID: 'a path is not a network namespace',
  ID_MAP_INVALID: 'a uid_map or gid_map is malformed',
  // the kernel side
  SYS: 'a system call failed',
  BPF_LOAD: 'the kernel refused a program',
  BPF_OBJECT_MISSING: 'a compiled BPF object is missing or damaged',
  ABI_MISMATCH: 'pinned maps have another layout than this build',
  TABLE_FULL: 'a table of the kernel has no room for the rows of a pod',
  IDENTITIES_EXHAUSTED: 'there are more security identities than numbers for them',
  LIBRARY_MISSING: 'a shared library is missing',
  // the agent and the lab
  AGENT_UNREACHABLE: 'no agent answers on its socket',
  AGENT_REFUSED: 'the process that was asked refused',
  AGENT_RUNNING: 'another agent of this instance is running',
  LAB_RUNNING: 'a lab of this instance is running',
  LAB_NOT_RUNNING: 'no lab of this instance is running',
  LAB_NOT_READY: 'the lab did not become ready in time',
  LAB_FULL: 'the lab has no address left',
  LAB_COMMAND_FAILED: 'a program that the lab uses to build its network failed',
  SERVICE_ADDRESS: 'a clusterIP is outside the range or taken',
  POLICY_UNKNOWN: 'no policy of this kind and name is there to remove',
  CONTAINER_UNKNOWN: 'no such container in this pod',
  // the benchmark
  BENCH_IMPOSSIBLE: 'the benchmark was asked for what cannot be measured here',
  BENCH_FAILED: 'a run of the benchmark failed',
  BENCH_REPORT_INVALID: 'a file is no report of a benchmark',
  // redirection by iptables
  IPTABLES_CONFIG: 'an iptables configuration value is not allowed',
  IPTABLES_FAILED: 'iptables refused the rules',
  // flows
  FILTER_INVALID: 'a filter for flows makes no sense',
  FLOWS_INVALID: 'a file holds no flows',
  FLOW_SERVER: 'a server of flows does not answer, or refused',
  FLOW_LISTEN: 'the address for the Hubble interface or the metrics cannot be listened on',
  // the mesh
  MESH_INVALID: 'a mesh resource cannot be translated',
  CERTIFICATE_AUTHORITY: 'the certificate authority of the lab is damaged, expired or of another trust domain',
} as const;

export type ErrorCode = keyof typeof errorCodes;
