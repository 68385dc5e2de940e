/** The column itself while it has a place `at`, else a copy of twice the size (or as large as `at` needs). */
export function growUint32(column: Uint32Array<ArrayBuffer>, at: number): Uint32Array<ArrayBuffer> {
  if (at < column.length) return column;
  const next = new Uint32Array(Math.max(column.length * 2, at + 1));
  next.set(column);
  return next;
}

export function growInt32(column: Int32Array<ArrayBuffer>, at: number): Int32Array<ArrayBuffer> {
  if (at < column.length) return column;
  const next = new Int32Array(Math.max(column.length * 2, at + 1));
  next.set(column);
  return next;
}

export function growUint8(column: Uint8Array<ArrayBuffer>, at: number): Uint8Array<ArrayBuffer> {
  if (at < column.length) return column;
  const next = new Uint8Array(Math.max(column.length * 2, at + 1));
  next.set(column);
  return next;
}

export function growFloat64(column: Float64Array<ArrayBuffer>, at: number): Float64Array<ArrayBuffer> {
  if (at < column.length) return column;
  const next = new Float64Array(Math.max(column.length * 2, at + 1));
  next.set(column);
  return next;
}
