// Burns one CPU in Node: of the time, 70 % in hotSeventy and 30 % in coldThirty.
function hotSeventy(x) {
  for (let i = 0; i < 7_000_000; i++) x = (x * 1664525 + 1013904223) | 0;
  return x;
}
function coldThirty(x) {
  for (let i = 0; i < 3_000_000; i++) x = (x * 1664525 + 1013904223) | 0;
  return x;
}
let x = 1;
function turn() {
  for (let i = 0; i < 4; i++) x = coldThirty(hotSeventy(x));
  setImmediate(turn);
}
turn();
