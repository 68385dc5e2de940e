'use strict';
// The addon is built by cargo and copied here by the set-up. Exports are spelled out, so that ES modules see their names.
const addon = require('./perfleet-mapping.node');
exports.ProfileMapper = addon.ProfileMapper;
exports.MessageMapper = addon.MessageMapper;
exports.bodyHash = addon.bodyHash;
