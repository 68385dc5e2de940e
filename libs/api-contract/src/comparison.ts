/** How the base is scaled before it is compared: to the same CPU time, the same length of time, or the same number of pods and time. */
export const COMPARE_PER = ['cpu', 'time', 'pod'] as const;
/** How a difference is measured: by shares of each side's total, or by the values themselves. */
export const DIFF_BY = ['share', 'value'] as const;
export type DiffBy = (typeof DIFF_BY)[number];
export type ComparePer = (typeof COMPARE_PER)[number];

/** Forms in which a selection can be had as a file. */
export const EXPORT_FORMATS = ['pprof', 'folded', 'speedscope', 'firefox'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** What makes frames of a flame graph one. */
export const MERGE_BY = ['function', 'file', 'line', 'module'] as const;
export type MergeBy = (typeof MERGE_BY)[number];
