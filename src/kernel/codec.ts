/** How one value of fixed size is laid out. The generated layouts of src/abi/gen have this shape. */
export interface FieldCodec<T> {
  /** Bytes. */
  readonly size: number;
  read(view: DataView, offset: number): T;
  write(view: DataView, offset: number, value: T): void;
}

/** How a map's keys and values are laid out. The views belong to the map and are reused: readers must copy what they keep. */
export interface MapCodec<K, V> {
  readonly keySize: number;
  readonly valueSize: number;
  writeKey(key: K, view: DataView): void;
  readKey(view: DataView): K;
  writeValue(value: V, view: DataView): void;
  readValue(view: DataView): V;
}

/** A map's codec out of those of its key and its value. */
export function mapCodec<K, V>(key: FieldCodec<K>, value: FieldCodec<V>): MapCodec<K, V> {
  return {
    keySize: key.size,
    valueSize: value.size,
    writeKey: (from, view) => key.write(view, 0, from),
    readKey: (view) => key.read(view, 0),
    writeValue: (from, view) => value.write(view, 0, from),
    readValue: (view) => value.read(view, 0),
  };
}

/** An unsigned 32-bit number in host order. */
export const u32: FieldCodec<number> = {
  size: 4,
  read: (view, offset) => view.getUint32(offset, true),
  write: (view, offset, value) => view.setUint32(offset, value, true),
};

/** An unsigned 64-bit number in host order. */
export const u64: FieldCodec<bigint> = {
  size: 8,
  read: (view, offset) => view.getBigUint64(offset, true),
  write: (view, offset, value) => view.setBigUint64(offset, value, true),
};

/** Raw bytes, copied both ways; writing another length throws RangeError. */
export function bytes(size: number): FieldCodec<Uint8Array> {
  return {
    size,
    read: (view, offset) => Uint8Array.from(new Uint8Array(view.buffer, view.byteOffset + offset, size)),
    write: (view, offset, value) => {
      if (value.length !== size) throw new RangeError(`Cannot write ${value.length} bytes because the field has ${size}`);
      new Uint8Array(view.buffer, view.byteOffset + offset, size).set(value);
    },
  };
}

/** Keys and values as raw bytes. */
export function bytesCodec(keySize: number, valueSize: number): MapCodec<Uint8Array, Uint8Array> {
  return mapCodec(bytes(keySize), bytes(valueSize));
}
