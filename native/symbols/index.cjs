'use strict';
// The addon is built by cargo and copied here by the set-up. Exports are spelled out, so that ES modules see their names.
// Errors without backtraces: to take one takes a lock, and a child that was forked while another thread held it would wait for ever.
process.env.RUST_LIB_BACKTRACE ??= '0';
const addon = require('./perfleet-symbols.node');
exports.SymbolTable = addon.SymbolTable;
exports.identify = addon.identify;
exports.slimBinary = addon.slimBinary;
exports.demangleNames = addon.demangleNames;
