import type { MapTypeName } from './bpf-constants.ts';
import { MapType, nameOf } from './bpf-constants.ts';
import { objectInfo } from './bpf-objects.ts';
import { fromCString } from './ffi.ts';
import { bpfMapInfo, bpfMapInfoSize } from './layouts.ts';

export interface MapInfo {
  readonly id: number;
  readonly name: string;
  readonly type: MapTypeName | `unknown ${number}`;
  readonly typeNumber: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

/** What the kernel says of the map behind a descriptor. */
export function mapInfo(fd: number): MapInfo {
  const info = Buffer.alloc(bpfMapInfoSize);
  objectInfo(fd, info);
  const typeNumber = info.readUInt32LE(bpfMapInfo.type);
  return {
    id: info.readUInt32LE(bpfMapInfo.id),
    name: fromCString(info.subarray(bpfMapInfo.name, bpfMapInfo.name + 16)),
    type: nameOf(MapType, typeNumber),
    typeNumber,
    keySize: info.readUInt32LE(bpfMapInfo.key_size),
    valueSize: info.readUInt32LE(bpfMapInfo.value_size),
    maxEntries: info.readUInt32LE(bpfMapInfo.max_entries),
    flags: info.readUInt32LE(bpfMapInfo.map_flags),
  };
}
