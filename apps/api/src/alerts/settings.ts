/** Thresholds and receivers; the fields of `libs/config/src/alert-fields.ts`, which says what each means. */
export interface AlertSettings {
  readonly alertWebhooks: readonly string[];
  readonly alertExternalUrl: string;
  readonly alertFallbackMinutes: number;
  readonly alertSilentMinutes: number;
  readonly alertRungMinutes: number;
  readonly alertEpochsMinutes: number;
  readonly alertKubeletMinutes: number;
  readonly alertCrashes: number;
  readonly alertCrashMinutes: number;
  readonly alertLossPercent: number;
  readonly alertUnattributedPercent: number;
  readonly alertShareMinutes: number;
  readonly alertRepeatMinutes: number;
}

export const DEFAULT_ALERT_SETTINGS: AlertSettings = {
  alertWebhooks: [],
  alertExternalUrl: '',
  alertFallbackMinutes: 5,
  alertSilentMinutes: 2,
  alertRungMinutes: 5,
  alertEpochsMinutes: 2,
  alertKubeletMinutes: 15,
  alertCrashes: 3,
  alertCrashMinutes: 15,
  alertLossPercent: 5,
  alertUnattributedPercent: 20,
  alertShareMinutes: 10,
  alertRepeatMinutes: 240,
};
