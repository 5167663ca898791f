export { askProgram, judges } from './ask-program.ts';
export { HostPrograms, type PodGuard } from './host-programs.ts';
export { ipcacheKey, type PolicyEndpoint } from './rows.ts';
export { type PolicyTableChange, PolicyTableWriter } from './writer.ts';
