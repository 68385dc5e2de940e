import { badRequest } from '../http/api-error.ts';

/**
 * Formats of answers that only write what the query found. The others read templates or schemas from files, ask servers, or are
 * protocols; one that a later version adds is refused until it was looked at.
 */
const FORMATS: ReadonlySet<string> = new Set(
  `Arrow ArrowStream CSV CSVWithNames CSVWithNamesAndTypes JSON JSONColumns JSONColumnsWithMetadata JSONCompact JSONCompactColumns
   JSONCompactEachRow JSONCompactEachRowWithNames JSONCompactEachRowWithNamesAndTypes JSONCompactStrings
   JSONCompactStringsEachRow JSONCompactStringsEachRowWithNames JSONCompactStringsEachRowWithNamesAndTypes JSONEachRow
   JSONLines JSONObjectEachRow JSONStrings JSONStringsEachRow LineAsString Markdown NDJSON Native Parquet Pretty
   PrettyCompact PrettyCompactMonoBlock PrettyCompactNoEscapes PrettyCompactNoEscapesMonoBlock PrettyJSONEachRow
   PrettyJSONLines PrettyMonoBlock PrettyNDJSON PrettyNoEscapes PrettyNoEscapesMonoBlock PrettySpace PrettySpaceMonoBlock
   PrettySpaceNoEscapes PrettySpaceNoEscapesMonoBlock RowBinary RowBinaryWithNames RowBinaryWithNamesAndTypes TSKV TSV TSVRaw
   TSVRawWithNames TSVRawWithNamesAndTypes TSVWithNames TSVWithNamesAndTypes TabSeparated TabSeparatedRaw
   TabSeparatedRawWithNames TabSeparatedRawWithNamesAndTypes TabSeparatedWithNames TabSeparatedWithNamesAndTypes Values
   Vertical XML`.split(/\s+/),
);

/**
 * Takes a FORMAT clause off the end of a statement. What is left is judged as any other, so that a clause which is none (the end of a
 * text or of a quoted name) changes nothing but whether the statement can be read.
 * @param canonical as `formatQuery` writes it: the clause has a line of its own
 * @param otherwise the format of a statement that has none
 * @throws ApiError 400 for a format that is not allowed
 */
export function splitFormat(canonical: string, otherwise: string): { statement: string; format: string } {
  const clause = /\n?\s*\bFORMAT (\w+)$/.exec(canonical);
  const format = clause?.[1] ?? otherwise;
  if (!FORMATS.has(format))
    throw badRequest(
      `format ${format.slice(0, 100)} is not allowed; use Native, RowBinary, JSON…, CSV…, TabSeparated…, Arrow, Parquet or Pretty…`,
    );
  return { statement: clause ? canonical.slice(0, clause.index) : canonical, format };
}

/** Settings of a caller that say how values are written, with the values that they may have; all others are the server's. */
const OUTPUT_SETTINGS: Readonly<Record<string, RegExp>> = {
  output_format_json_quote_64bit_integers: /^(0|1|true|false)$/,
  output_format_json_quote_64bit_floats: /^(0|1|true|false)$/,
  output_format_json_quote_decimals: /^(0|1|true|false)$/,
  output_format_json_quote_denormals: /^(0|1|true|false)$/,
  date_time_output_format: /^(simple|iso|unix_timestamp)$/,
};

/** @returns the settings of a request that are taken, as text */
export function outputSettings(settings: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => {
    const allowed = Object.hasOwn(OUTPUT_SETTINGS, name) && OUTPUT_SETTINGS[name]!.test(String(value));
    return allowed ? [`${name} = '${String(value)}'`] : [];
  });
}
