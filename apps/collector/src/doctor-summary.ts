import type { DoctorOptions } from '@perfleet/doctor';
import type { Logger } from '@perfleet/observability';

/** Logs once what the machine lacks and what would fix it. Never rejects: nothing of it stops the collector. */
export async function logDoctorSummary(options: DoctorOptions, logger: Logger): Promise<void> {
  const { formatChecks, runDoctor } = await import('@perfleet/doctor');
  const checks = await runDoctor(options);
  const wrong = checks.filter(({ status }) => status !== 'pass');
  const summary = `doctor: ${checks.length - wrong.length} of ${checks.length} checks pass`;
  if (wrong.length === 0) logger.info(summary);
  else logger.warn(`${summary}\n${formatChecks(wrong, { colour: false })}`);
}
