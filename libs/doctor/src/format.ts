import type { Check, CheckStatus } from './model.ts';

const COLOURS: Readonly<Record<CheckStatus, number>> = { pass: 32, degraded: 33, fail: 31 };

/** Aligned lines for people, the remedy below what needs one. */
export function formatChecks(checks: readonly Check[], options: { readonly colour?: boolean } = {}): string {
  const colour = options.colour ?? process.stdout.isTTY === true;
  const statusWidth = Math.max(0, ...checks.map(({ status }) => status.length));
  const nameWidth = Math.max(0, ...checks.map(({ name }) => name.length));
  const lines: string[] = [];
  for (const { name, status, detail, fix } of checks) {
    const padded = status.padEnd(statusWidth);
    const shown = colour ? `\u001b[${COLOURS[status]}m${padded}\u001b[0m` : padded;
    lines.push(`${shown}  ${name.padEnd(nameWidth)}  ${oneLine(detail)}`.trimEnd());
    if (fix) lines.push(`${' '.repeat(statusWidth + nameWidth + 4)}fix: ${oneLine(fix)}`);
  }
  return lines.join('\n');
}

/** Text of other programs must not move the cursor of a terminal. */
function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
}
