// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dots/codec.h"
#include "dots/exchange.h"
#include "dots/heartbeat.h"

// Puts one set of a session configuration in force at the client's end (RFC 9132 section 4.5). A value
// beyond what the RFC shows as sensible is the peer's mistake, and what was in force stays.
void configure(
	const struct config_set *set, struct exchange *exchange, struct heartbeat *heartbeat);
