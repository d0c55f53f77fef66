// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Who holds, or held, an outside address and port? The one question the DOTS side asks of the
// translators (RFC 9066 section 5.3.2). Control thread only.
//
// The asker sees this header alone: `struct resolver` is an interface, so that the DOTS server can
// be run against a table made for a test, or from another process.

#include "base/ipaddr.h"
#include "base/subkey.h"

#include <stdbool.h>
#include <stdint.h>

// RESOLVE_IPV6: an address that passes as it is, of a subscriber network.
enum resolve_service {
	RESOLVE_NAT44,
	RESOLVE_NAT64,
	RESOLVE_DSLITE,
	RESOLVE_LW4O6,
	RESOLVE_MAP_E,
	RESOLVE_MAP_T,
	RESOLVE_IPV6,
};

// In the place of an instance's id: no NAT instance, native IPv6.
#define RESOLVE_NATIVE_ID UINT32_MAX

struct resolve_req {
	struct ipprefix outside; // address or prefix, of the pools or native IPv6
	bool any_port;           // no ports were named; lower and upper are not read
	uint16_t lower;          // ports, or ICMP query identifiers; host order
	uint16_t upper;
	uint8_t protocol; // IANA number; 0: any
	bool by_target;   // ICMP without an identifier: find live ICMP sessions towards `target`
	struct ipprefix target;
	bool with_mapping; // find the mapping behind a single port too: asks a worker and waits for it
	int64_t at;        // Unix time in milliseconds; 0: now
	uint32_t tolerance_s; // how far the asker's clock may be off, either way
};

// One answer: this subscriber held these outside ports during this time.
struct holder {
	enum resolve_service service;
	const char *softwire; // name of the border relay, of an A+P holder of now; else NULL
	struct subkey subscriber;
	struct ipaddr outside;
	uint16_t lower; // what of the asked range this holder has; host order
	uint16_t upper;
	bool mapped;          // asked for with_mapping, and one is there now:
	struct ipaddr inside; // its inside address,
	uint16_t inside_port; // and port, host order
	struct ipaddr b4;     // that its host is behind; family 0: none
	int64_t from;         // Unix time in milliseconds the holding began
	int64_t until;        // and ended; 0: still held
};

struct resolve_answer {
	struct holder *holder; // the asker's array,
	unsigned room;         // of so many
	unsigned count;        // found; may exceed room, then only `room` are written
	bool ambiguous;        // some address, port and time has two of these as possible holders
};

struct resolver {
	// Fills answer->holder and ->count. Returns 0 (count 0: ours, but nobody's), or
	// -EADDRNOTAVAIL if no part of req->outside is an outside address of this box.
	int (*outside)(struct resolver *self, const struct resolve_req *req,
		struct resolve_answer *answer);
	// Whether several subscribers share the address, so that it alone names nobody.
	bool (*is_shared)(struct resolver *self, const struct ipaddr *outside);
	// The id in the configuration of the NAT instance with this number in subscriber keys (0: gone),
	// and back: -ENOENT. Numbers may change with the configuration, ids are the operator's.
	uint32_t (*instance_id)(struct resolver *self, uint16_t number);
	int (*instance)(struct resolver *self, uint32_t id);
	// What a network outside is called inside, where a subscriber calls it otherwise. False: the
	// same. NULL: for everybody.
	bool (*inside_name)(struct resolver *self, const struct subkey *subscriber,
		const struct ipprefix *outside, struct ipprefix *inside);
};

static inline int resolve_outside(
	struct resolver *resolver, const struct resolve_req *req, struct resolve_answer *answer)
{
	return resolver->outside(resolver, req, answer);
}

static inline bool resolve_is_shared(struct resolver *resolver, const struct ipaddr *outside)
{
	return resolver->is_shared(resolver, outside);
}

static inline uint32_t resolve_instance_id(struct resolver *resolver, uint16_t number)
{
	return resolver->instance_id(resolver, number);
}

static inline int resolve_instance(struct resolver *resolver, uint32_t id)
{
	return resolver->instance(resolver, id);
}

static inline bool resolve_inside_name(struct resolver *resolver, const struct subkey *subscriber,
	const struct ipprefix *outside, struct ipprefix *inside)
{
	return resolver->inside_name &&
		resolver->inside_name(resolver, subscriber, outside, inside);
}
