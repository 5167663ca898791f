import { readFileSync } from 'node:fs';
import { parseIptablesConfig } from '../config.ts';
import type { IptablesConfig } from '../types.ts';

/** One case of the contract data: a configuration, and the lines that Istio's tool writes for it. */
export interface ContractCase {
  readonly name: string;
  readonly config: IptablesConfig;
  readonly lines: string;
}

/**
 * cases.json gives the case `empty` the configuration of `kube-virt-interfaces`, and the two have different rules: no function can give both.
 * The rules of `empty` are those of a configuration that names nothing, as its name says, so that is what it is read as. The data
 * is kept as it came; a test holds on to the contradiction, so that this goes when the data is mended.
 */
const corrections: ReadonlyMap<string, object> = new Map([['empty', {}]]);

/** The cases of cases.json with the .rules file of each, the one contradiction resolved. For tests. */
export function readContractCases(): ContractCase[] {
  return [...readGivenConfigs()].map(([name, config]) => ({
    name,
    config: parseIptablesConfig(corrections.get(name) ?? config),
    lines: readData(`${name}.rules`),
  }));
}

/** The configurations exactly as cases.json gives them, by the name of the case. */
export function readGivenConfigs(): ReadonlyMap<string, object> {
  const document: { cases: { name: string; config: object }[] } = JSON.parse(readData('cases.json'));
  return new Map(document.cases.map(({ name, config }) => [name, config]));
}

/** The defaults that the contract data states, without its note. */
export function readContractDefaults(): Record<string, unknown> {
  const document: { defaults: Record<string, unknown> } = JSON.parse(readData('cases.json'));
  return Object.fromEntries(Object.entries(document.defaults).filter(([key]) => key !== 'note'));
}

function readData(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8');
}
