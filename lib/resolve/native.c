// SPDX-License-Identifier: BSD-3-Clause

#include "resolve/native.h"

#include "resolve/answer.h"

#include <errno.h>

// The next prefix of the same length. Returns false behind the last one.
static bool advance(struct ipprefix *prefix)
{
	unsigned at = prefix->len;

	while (at--) {
		uint8_t mask = (uint8_t)(0x80 >> at % 8);

		prefix->addr.bytes[at / 8] ^= mask;
		if (prefix->addr.bytes[at / 8] & mask)
			return true;
	}
	return false;
}

static void add(const struct resolve_req *req, struct resolve_answer *answer,
	const struct ipprefix *subscriber, const struct ipaddr *outside)
{
	answer_add(answer,
		&(struct holder){
			.service = RESOLVE_IPV6,
			.subscriber = subkey_of(subscriber, SUBKEY_NATIVE),
			.outside = *outside,
			.lower = req->any_port ? 0 : req->lower,
			.upper = req->any_port ? UINT16_MAX : req->upper,
		});
}

int native_find(
	const struct snapshot *s, const struct resolve_req *req, struct resolve_answer *answer)
{
	bool ours = false;

	for (unsigned i = 0; i < s->networks && !answer_is_full(answer); i++) {
		const struct subscriber_network *n = &s->network[i];
		// what both have in common
		const struct ipprefix *part =
			n->prefix.len > req->outside.len ? &n->prefix : &req->outside;
		struct ipprefix subscriber = ipprefix_make(&part->addr, n->len);

		if (!ipprefix_overlaps(&n->prefix, &req->outside))
			continue;
		ours = true;
		if (part->len >= n->len) {
			add(req, answer, &subscriber, &req->outside.addr);
			continue;
		}
		do {
			add(req, answer, &subscriber, &subscriber.addr);
		} while (!answer_is_full(answer) && advance(&subscriber) &&
			ipprefix_has(part, &subscriber.addr));
	}
	return ours ? 0 : -EADDRNOTAVAIL;
}
