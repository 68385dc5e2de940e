/** Bounds of one query of a user. */
export const SQL_LIMITS = {
  textLength: 100_000,
  seconds: 30,
  resultRows: 10_000,
  resultBytes: 64 << 20,
  /** Of an answer as it is sent; a text form can be larger than the values. */
  answerBytes: 256 << 20,
  memoryBytes: 2 * 2 ** 30,
  parameters: 100,
};

/** Of queries at a time: the engine has as many connections for them, so that they never hold up the page or the ingestion. */
export const SQL_QUEUE = {
  running: 3,
  /** One short of all, so that one caller's heavy queries leave room for another's. */
  runningOfCaller: 2,
  waitingOfCaller: 16,
  /** The engine looks at its clock between blocks only, so that it can come late. */
  patienceMs: (SQL_LIMITS.seconds + 5) * 1000,
};

/** The engine's numbers for what the limits stop, and what to say. */
export const LIMIT_CODES: Readonly<Record<number, string>> = {
  158: 'it reads more rows than allowed',
  159: `it took longer than ${SQL_LIMITS.seconds} s`,
  160: 'it would take too long',
  191: 'a set in it is too large',
  241: 'it needs more memory than it may have',
  307: 'it reads more bytes than allowed',
  396: `its result is larger than ${SQL_LIMITS.resultRows} rows or ${SQL_LIMITS.resultBytes >> 20} MiB; add LIMIT`,
};

/** Of each query. */
export const LIMIT_SETTINGS = [
  `max_execution_time = ${SQL_LIMITS.seconds}`,
  `timeout_overflow_mode = 'throw'`,
  `max_memory_usage = ${SQL_LIMITS.memoryBytes}`,
  `max_rows_to_read = 10000000000`,
  `max_bytes_to_read = 1000000000000`,
  `max_result_rows = ${SQL_LIMITS.resultRows}`,
  `max_result_bytes = ${SQL_LIMITS.resultBytes}`,
  `result_overflow_mode = 'throw'`,
  `max_subquery_depth = 32`,
  // The engine looks at its clock between blocks only: what one value may cost is bounded by how large it may be.
  `function_range_max_elements_in_block = 10000000`,
  `allow_introspection_functions = 0`,
  `allow_ddl = 0`,
];
