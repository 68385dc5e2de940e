/** Rows of a query as arrays; 64-bit integers are decimal strings. */
export async function select(url: string, sql: string): Promise<unknown[][]> {
  const settings = { default_format: 'JSONCompact', output_format_json_quote_64bit_integers: '1' };
  const response = await fetch(`${url}/?${new URLSearchParams(settings)}`, { method: 'POST', body: sql });
  const text = await response.text();
  if (!response.ok) throw new Error(`${sql.slice(0, 200)}: ${text.slice(0, 500)}`);
  return (JSON.parse(text) as { data: unknown[][] }).data;
}

export async function selectNumber(url: string, sql: string): Promise<number> {
  return Number((await select(url, sql))[0]![0]);
}
