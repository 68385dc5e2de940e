'use strict';
// The addon is built by cargo and copied here by the set-up. Exports are spelled out, so that ES modules see their names.
const addon = require('./perfleet-symbols.node');
exports.SymbolTable = addon.SymbolTable;
exports.identify = addon.identify;
exports.slimBinary = addon.slimBinary;
exports.demangleNames = addon.demangleNames;
