// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One-to-one translation of protocols without ports, for hosts that have a whole outside address by a static
// mapping, where their policy says so. Only the address changes and nothing is kept, so any worker can do it.
// An ICMP error goes by the packet it quotes.

#include "net/burst.h"
#include "table/snapshot.h"

// The static mapping that packet i goes by: from inside, or to an outside address. NULL if there is none or its
// policy does not have the protocol.
const struct static_mapping *whole_find_out(
	const struct snapshot *snapshot, const struct burst *b, unsigned i);
const struct static_mapping *whole_find_in(
	const struct snapshot *snapshot, const struct burst *b, unsigned i);

// Translate the source of packet i, or its destination; `keep_ttl` if its hop is already counted.
void whole_translate_out(struct burst *b, unsigned i, const struct static_mapping *by);
void whole_translate_in(
	struct burst *b, unsigned i, const struct static_mapping *by, bool keep_ttl);
