import type { SymbolFrame } from './pages.ts';

const MAX_NAME = 4096;
const MAX_CHAIN = 256;
/** UTF-16 units of all names of one frame: the names come from a binary, and a message must hold at least one frame. */
const MAX_TEXT = 100_000;

/** A chain that fits into a message: names are cut, and outer frames left out, only where no real program gets to. */
export function boundedChain(chain: ReadonlyArray<readonly [string, string, number]>): SymbolFrame['chain'] {
  const bounded: SymbolFrame['chain'] = [];
  let left = MAX_TEXT;
  for (const [name, file, line] of chain) {
    if (bounded.length === MAX_CHAIN) break;
    const [shortName, shortFile] = [clip(name), clip(file)];
    left -= shortName.length + shortFile.length;
    if (left < 0) break;
    bounded.push([shortName, shortFile, line]);
  }
  return bounded;
}

/** Cuts at a whole character: half a surrogate pair would not survive UTF-8. */
function clip(text: string): string {
  if (text.length <= MAX_NAME) return text;
  const cut = text.slice(0, MAX_NAME);
  return /[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut;
}
