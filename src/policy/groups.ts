import type { NamedPort } from './identity.ts';
import type { ExpandedSection, Group } from './parts.ts';
import type { PeerIndex } from './peer-index.ts';
import type { CompiledSubject } from './types.ts';

/** Which sections select each identity of pods, and the policy number that identities with the same sections share. */
export class Groups {
  readonly #index: PeerIndex;
  readonly #sectionsOf = new Map<number, Set<ExpandedSection>>();
  readonly #groups = new Map<string, Group>();
  readonly #groupOf = new Map<number, Group>();
  readonly #subjects = new Map<number, CompiledSubject>();
  /** Identities whose sections may be others than before. */
  #dirty = new Set<number>();
  #next = 1;

  constructor(index: PeerIndex) {
    this.#index = index;
  }

  addSection(section: ExpandedSection): void {
    for (const id of section.subject.ids) this.select(id, section);
  }

  removeSection(section: ExpandedSection): void {
    for (const id of section.subject.ids) if (this.#sectionsOf.get(id)?.delete(section)) this.#dirty.add(id);
  }

  /** Only pods are subjects: nothing is enforced at a node's own interfaces. */
  select(id: number, section: ExpandedSection): void {
    if (this.#index.recordOf(id)?.identity.kind !== 'pods') return;
    const sections = this.#sectionsOf.get(id);
    if (sections === undefined) this.#sectionsOf.set(id, new Set([section]));
    else sections.add(section);
    this.#dirty.add(id);
  }

  removeIdentity(id: number): void {
    if (this.#sectionsOf.delete(id)) this.#dirty.add(id);
  }

  /** Finds the group of each identity whose sections changed. `fresh` have no rows yet; `changed`: a subject is another than before. */
  settle(): { readonly fresh: ReadonlySet<Group>; readonly changed: boolean } {
    const fresh = new Set<Group>();
    let changed = false;
    for (const id of this.#dirty) {
      const before = this.#groupOf.get(id);
      const sections = [...(this.#sectionsOf.get(id) ?? [])].sort((a, b) => a.serial - b.serial);
      const group = sections.length === 0 ? undefined : this.#groupFor(sections, this.#index.recordOf(id)?.namedPorts ?? [], fresh);
      if (group === before) continue;
      changed = true;
      if (group === undefined) {
        this.#groupOf.delete(id);
        this.#subjects.delete(id);
      } else {
        group.members += 1;
        this.#groupOf.set(id, group);
        this.#subjects.set(id, { identity: id, policy: group.policy, ingress: group.enforced.ingress, egress: group.enforced.egress });
      }
      if (before !== undefined) this.#leave(before, fresh);
    }
    this.#dirty = new Set();
    return { fresh, changed };
  }

  all(): Iterable<Group> {
    return this.#groups.values();
  }

  subjects(): CompiledSubject[] {
    return [...this.#subjects.values()];
  }

  #groupFor(sections: readonly ExpandedSection[], ports: readonly NamedPort[], fresh: Set<Group>): Group {
    const namedPorts = sections.some(({ namedIngress }) => namedIngress) ? ports : [];
    let key = '';
    for (const { serial } of sections) key += `${serial} `;
    for (const { name, protocol, port } of namedPorts) key += `${name}/${protocol}/${port} `;
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const enforced = {
      ingress: sections.some((section) => section.enforced.ingress),
      egress: sections.some((section) => section.enforced.egress),
    };
    const group: Group = { key, policy: this.#next++, sections, namedPorts, enforced, members: 0, rows: [] };
    this.#groups.set(key, group);
    for (const section of sections) {
      if (section.groups === null) section.groups = new Set([group]);
      else section.groups.add(group);
    }
    fresh.add(group);
    return group;
  }

  #leave(group: Group, fresh: Set<Group>): void {
    group.members -= 1;
    if (group.members > 0) return;
    fresh.delete(group);
    this.#groups.delete(group.key);
    for (const section of group.sections) {
      section.groups?.delete(group);
      if (section.groups?.size === 0) section.groups = null;
    }
  }
}
