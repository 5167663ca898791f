import { existsSync } from 'node:fs';
import { Attr } from './attr.ts';
import type { MapTypeName } from './bpf-constants.ts';
import { AttachType, MapFlag, MapType } from './bpf-constants.ts';
import { btfLoad } from './bpf-objects.ts';
import { programLoad } from './bpf-programs.ts';
import { bpfResult } from './bpf-syscall.ts';
import { closeFd, pageSize } from './libc.ts';
import { Link } from './link.ts';
import { pidfdGetFd, pidfdOpen } from './pidfd.ts';
import type { Probe } from './probe.ts';
import { isSysError, SysError } from './sys-error.ts';

const ENOENT = 2;
const EBADF = 9;
const EINVAL = 22;
const ENOTSUPP = 524;

interface MapShape {
  readonly type: MapTypeName;
  readonly key: number;
  readonly value: number;
  readonly entries: number;
  readonly flags?: number;
}

/** Makes a map, hands it to `use`, and closes it; null when the kernel does not know the type. */
function withMap<T>(shape: MapShape, use: (fd: number) => T, more: (attr: Attr) => Attr = (attr) => attr): T | null {
  const attr = new Attr()
    .u32('map_type', MapType[shape.type])
    .u32('key_size', shape.key)
    .u32('value_size', shape.value)
    .u32('max_entries', shape.entries)
    .u32('map_flags', shape.flags ?? 0);
  const fd = bpfResult('MAP_CREATE', more(attr).bytes);
  if (fd === -EINVAL || fd === -ENOTSUPP) return null;
  if (fd < 0) throw new SysError(`bpf(MAP_CREATE ${shape.type})`, -fd);
  try {
    return use(fd);
  } finally {
    closeFd(fd);
  }
}

function knowsMap(shape: MapShape): boolean {
  return withMap(shape, () => true) ?? false;
}

/** The smallest type information there is: one `int`. */
function tinyBtf(): Buffer {
  const strings = Buffer.from('\0int\0', 'latin1');
  const btf = Buffer.alloc(24 + 16 + strings.length);
  btf.writeUInt16LE(0xeb9f, 0);
  btf.writeUInt8(1, 2);
  btf.writeUInt32LE(24, 4);
  btf.writeUInt32LE(16, 12);
  btf.writeUInt32LE(16, 16);
  btf.writeUInt32LE(strings.length, 20);
  btf.writeUInt32LE(1, 24);
  btf.writeUInt32LE(1 << 24, 28);
  btf.writeUInt32LE(4, 32);
  btf.writeUInt32LE((1 << 24) | 32, 36);
  strings.copy(btf, 40);
  return btf;
}

function knowsSocketStorage(): boolean {
  const btf = btfLoad(tinyBtf());
  try {
    const shape: MapShape = { type: 'SK_STORAGE', key: 4, value: 4, entries: 0, flags: MapFlag.NO_PREALLOC };
    const typed = (attr: Attr): Attr => attr.u32('btf_fd', btf).u32('btf_key_type_id', 1).u32('btf_value_type_id', 1);
    return withMap(shape, () => true, typed) ?? false;
  } finally {
    closeFd(btf);
  }
}

function knowsBatches(): boolean {
  const known = withMap({ type: 'HASH', key: 4, value: 4, entries: 1 }, (fd) => {
    const room = Buffer.alloc(8);
    const attr = new Attr()
      .pointer('batch.out_batch', room)
      .pointer('batch.keys', Buffer.alloc(4))
      .pointer('batch.values', Buffer.alloc(4));
    const result = bpfResult('MAP_LOOKUP_BATCH', attr.u32('batch.count', 1).u32('batch.map_fd', fd).bytes);
    // An empty map ends at once.
    if (result === -ENOENT || result >= 0) return true;
    if (result === -EINVAL || result === -ENOTSUPP) return false;
    throw new SysError('bpf(MAP_LOOKUP_BATCH)', -result);
  });
  return known ?? false;
}

/** A kernel that knows the command stumbles over the descriptor, one that does not over the command. */
function knowsLinkUpdate(): boolean {
  const result = bpfResult('LINK_UPDATE', new Attr().u32('link_update.link_fd', -1).u32('link_update.new_prog_fd', -1).bytes);
  if (result === -EBADF) return true;
  if (result === -EINVAL) return false;
  throw new SysError('bpf(LINK_UPDATE)', -result);
}

const nobodysInterface = 0x7fff_ffff;

/** Asks for an interface that does not exist, so that nothing is touched: a kernel that knows tcx looks for it. */
function knowsTcx(): boolean {
  return withProgram('SCHED_CLS', undefined, (fd) => {
    try {
      Link.create(fd, nobodysInterface, AttachType.TCX_INGRESS).close();
      return true;
    } catch (error) {
      if (isSysError(error, 'ENODEV')) return true;
      if (isSysError(error, 'EINVAL')) return false;
      throw error;
    }
  });
}

function knowsSockmapLink(): boolean {
  const known = withMap({ type: 'SOCKHASH', key: 8, value: 8, entries: 1 }, (map) =>
    withProgram('SK_MSG', 'SK_MSG_VERDICT', (program) => {
      try {
        Link.create(program, map, AttachType.SK_MSG_VERDICT).close();
        return true;
      } catch (error) {
        if (isSysError(error, 'EINVAL')) return false;
        throw error;
      }
    }),
  );
  return known ?? false;
}

function withProgram(
  type: 'SCHED_CLS' | 'SK_MSG',
  expectedAttachType: 'SK_MSG_VERDICT' | undefined,
  use: (fd: number) => boolean,
): boolean {
  const instructions = Buffer.from('b700000001000000' + '9500000000000000', 'hex');
  const result = programLoad({
    type,
    name: 'mr_probe',
    instructions,
    license: 'GPL',
    ...(expectedAttachType === undefined ? {} : { expectedAttachType }),
  });
  if (result.kind === 'refused') throw new SysError('bpf(PROG_LOAD mr_probe)', result.errno);
  try {
    return use(result.fd);
  } finally {
    closeFd(result.fd);
  }
}

function canFetchDescriptors(): boolean {
  try {
    const pidfd = pidfdOpen(process.pid);
    try {
      closeFd(pidfdGetFd(pidfd, pidfd));
      return true;
    } finally {
      closeFd(pidfd);
    }
  } catch (error) {
    if (isSysError(error, 'ENOSYS')) return false;
    throw error;
  }
}

const newerKernel = (since: string): string => `Use a kernel with it: Linux ${since} has it.`;

/** Probes for what the kernel can apart from programs: types, maps, commands of bpf(2), and pidfd_getfd(2). */
export function featureProbes(): Probe[] {
  const page = pageSize();
  return [
    {
      name: 'kernel type information (BTF)',
      required: true,
      cost: 'programs cannot adapt to this kernel: nothing loads',
      cure: 'Use a kernel built with CONFIG_DEBUG_INFO_BTF=y.',
      try: () => existsSync('/sys/kernel/btf/vmlinux'),
    },
    {
      name: 'map LPM trie',
      required: true,
      cost: 'no address ranges: includeOutboundIPRanges and the like do not work',
      cure: newerKernel('4.11'),
      try: () => knowsMap({ type: 'LPM_TRIE', key: 8, value: 4, entries: 1, flags: MapFlag.NO_PREALLOC }),
    },
    {
      name: 'map sockhash',
      required: true,
      cost: 'inbound back end "sk_lookup" and acceleration do not work',
      cure: newerKernel('4.18'),
      try: () => knowsMap({ type: 'SOCKHASH', key: 8, value: 8, entries: 1 }),
    },
    {
      name: 'map ring buffer',
      required: true,
      cost: 'no events and no flows',
      cure: newerKernel('5.8'),
      try: () => knowsMap({ type: 'RINGBUF', key: 0, value: 0, entries: page }),
    },
    {
      name: 'map socket storage',
      required: true,
      cost: 'the original destination cannot be kept with the socket',
      cure: newerKernel('5.2'),
      try: knowsSocketStorage,
    },
    {
      name: 'map batches',
      required: false,
      cost: 'big tables are written entry by entry, four times slower',
      cure: newerKernel('5.6'),
      try: knowsBatches,
    },
    {
      name: 'link update',
      required: true,
      cost: 'an upgrade would leave connections unredirected for a moment',
      cure: newerKernel('5.7'),
      try: knowsLinkUpdate,
    },
    { name: 'link tcx', required: false, cost: 'no policy at the interfaces of pods', cure: newerKernel('6.6'), try: knowsTcx },
    {
      name: 'link sockmap',
      required: false,
      cost: 'no acceleration',
      cure: newerKernel('6.10'),
      try: knowsSockmapLink,
    },
    {
      name: 'pidfd_getfd',
      required: false,
      cost: 'proxies that were listening before the agent started are found only after they restart',
      cure: newerKernel('5.6'),
      try: canFetchDescriptors,
    },
  ];
}
