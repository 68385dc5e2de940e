export { attributePath, attributeProcess } from './attribute.ts';
export { discover } from './discover.ts';
export type * from './model.ts';
export { parseMountinfo, unescapeMount, type CgroupMount } from './mountinfo.ts';
export { replay, replayLine, type ReplayResult } from './replay.ts';
