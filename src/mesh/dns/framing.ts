/** A message as it goes over TCP: two bytes of length in front (RFC 1035 §4.2.2). At most 65,535 bytes. */
export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Cuts a TCP stream into messages, however it was cut into packets. Holds at most one unfinished message, 64 KiB. */
export class StreamReader {
  #rest: Buffer = Buffer.alloc(0);

  /** Takes what arrived and returns the messages that are now complete. */
  push(chunk: Buffer): Buffer[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const messages: Buffer[] = [];
    while (this.#rest.length >= 2) {
      const end = 2 + this.#rest.readUInt16BE(0);
      if (this.#rest.length < end) break;
      messages.push(this.#rest.subarray(2, end));
      this.#rest = this.#rest.subarray(end);
    }
    return messages;
  }
}
