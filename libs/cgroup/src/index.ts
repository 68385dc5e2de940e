export { attributePath, attributeProcess } from './attribute.ts';
export { discover } from './discover.ts';
export type * from './model.ts';
export { cgroupMountLines, cgroupVersion, parseMountinfo, unescapeMount, type CgroupMount } from './mountinfo.ts';
export { isBelow, parseProcCgroup, type ProcCgroupLine } from './paths.ts';
export { isKubepodsRoot } from './pod-segment.ts';
export { replay, replayLine, type ReplayResult } from './replay.ts';
