'use strict';
// The addon is built by cargo and copied here by the set-up.
module.exports = require('./perfleet-symbols.node');
