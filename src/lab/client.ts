import type { CallOptions } from '../api/client.ts';
import { callUnixSocket } from '../api/client.ts';
import { instancePaths } from '../api/paths.ts';
import { UserError } from '../base/errors.ts';
import type { Manifest } from '../manifests/types.ts';
import type { LabPod, LabStatus, OutcomesResponse } from './api.ts';
import type { ObjectReference } from './plan/objects.ts';

/** An apply waits for the proxies, a down for the pods. */
const longCallMs = 30_000;

/** The typed client of the lab's local API. Stateless. Every call throws UserError LAB_NOT_RUNNING where no lab answers. */
export class LabClient {
  readonly #instance: string;
  readonly #socket: string;

  constructor(instance: string) {
    this.#instance = instance;
    this.#socket = instancePaths(instance).labSocket;
  }

  async status(options?: CallOptions): Promise<LabStatus> {
    return (await this.#call('GET', '/v1/status', undefined, options)) as LabStatus;
  }

  async pods(options?: CallOptions): Promise<readonly LabPod[]> {
    return (await this.#call('GET', '/v1/pods', undefined, options)) as readonly LabPod[];
  }

  async apply(manifests: readonly Manifest[], options?: CallOptions): Promise<OutcomesResponse> {
    return (await this.#call('POST', '/v1/apply', { manifests }, { timeoutMs: longCallMs, ...options })) as OutcomesResponse;
  }

  async delete(references: readonly ObjectReference[], options?: CallOptions): Promise<OutcomesResponse> {
    return (await this.#call('POST', '/v1/delete', { references }, { timeoutMs: longCallMs, ...options })) as OutcomesResponse;
  }

  async down(options?: CallOptions): Promise<void> {
    await this.#call('POST', '/v1/down', {}, { timeoutMs: longCallMs, ...options });
  }

  async #call(method: string, path: string, body: unknown, options?: CallOptions): Promise<unknown> {
    try {
      return await callUnixSocket(this.#socket, method, path, body, { suggest: true, ...options });
    } catch (error) {
      options?.signal?.throwIfAborted();
      throw error instanceof UserError ? this.#translate(error) : error;
    }
  }

  /** The shared client speaks of agents; users of the lab are told of the lab. */
  #translate(error: UserError): UserError {
    if (error.code === 'AGENT_UNREACHABLE') {
      const hangs = error.data.code === 'ABORT_ERR';
      const reason = hangs ? String(error.data.reason) : 'none of this instance is running';
      const command = hangs ? 'millrace lab down' : 'millrace lab up';
      return new UserError('LAB_NOT_RUNNING', `Cannot reach the lab because ${reason}: ${this.#instance}`, {
        cure: error.cure,
        command: this.#instance === 'lab' ? command : `${command} --instance ${this.#instance}`,
        cause: error.cause,
      });
    }
    return error;
  }
}
