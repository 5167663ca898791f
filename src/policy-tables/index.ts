export { HostPrograms } from './host-programs.ts';
export { type PolicyTableChange, PolicyTableWriter } from './writer.ts';
