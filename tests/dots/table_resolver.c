// SPDX-License-Identifier: BSD-3-Clause

#include "table_resolver.h"

#include "base/bits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool matches(const struct table_entry *e, const struct resolve_req *req)
{
	struct ipprefix target = ipprefix_make(&e->target, ipaddr_bits(&e->target));

	if (e->is_pool || e->is_icmp != req->by_target ||
		!ipprefix_overlaps(&e->outside, &req->outside))
		return false;
	if (req->by_target)
		return ipprefix_overlaps(&req->target, &target);
	if (req->protocol && e->protocol && req->protocol != e->protocol)
		return false;
	return req->any_port || (e->lower <= req->upper && req->lower <= e->upper);
}

static struct holder holder_of(const struct table_entry *e, const struct resolve_req *req)
{
	struct holder h = {
		.service = RESOLVE_NAT44,
		.subscriber = e->subscriber,
		.outside = e->outside.addr,
		.lower = e->lower,
		.upper = e->upper,
	};

	if (!req->any_port) {
		h.lower = (uint16_t)max_u32(e->lower, req->lower);
		h.upper = (uint16_t)min_u32(e->upper, req->upper);
		h.mapped = req->with_mapping && e->inside.family && req->lower == req->upper &&
			req->protocol;
		h.inside = e->inside;
		h.inside_port = req->lower;
	}
	return h;
}

static bool same_place(const struct holder *a, const struct holder *b)
{
	return !ipaddr_compare(&a->outside, &b->outside) && a->lower <= b->upper &&
		b->lower <= a->upper && !subkey_equal(&a->subscriber, &b->subscriber);
}

static int outside(
	struct resolver *self, const struct resolve_req *req, struct resolve_answer *answer)
{
	struct table_resolver *table = CONTAINER_OF(self, struct table_resolver, resolver);
	bool ours = false;

	table->asked++;
	table->last = *req;
	answer->count = 0;
	for (unsigned i = 0; i < table->entries; i++) {
		const struct table_entry *e = &table->entry[i];
		struct holder holder = holder_of(e, req);

		ours |= ipprefix_overlaps(&e->outside, &req->outside);
		if (!matches(e, req))
			continue;
		for (unsigned j = 0; !req->by_target && j < answer->count && j < answer->room; j++)
			answer->ambiguous |= same_place(&answer->holder[j], &holder);
		if (answer->count < answer->room)
			answer->holder[answer->count] = holder;
		answer->count++;
	}
	return ours ? 0 : -EADDRNOTAVAIL;
}

static bool is_shared(struct resolver *self, const struct ipaddr *addr)
{
	struct table_resolver *table = CONTAINER_OF(self, struct table_resolver, resolver);

	for (unsigned i = 0; i < table->entries; i++) {
		const struct table_entry *e = &table->entry[i];

		if (!e->is_pool && !e->whole && ipprefix_has(&e->outside, addr))
			return true;
	}
	return false;
}

// All are of one instance, number 0, whose id is 1.
static uint32_t instance_id(struct resolver *, uint16_t number)
{
	return number == 0;
}

static int instance(struct resolver *, uint32_t id)
{
	return id == 1 ? 0 : -ENOENT;
}

void table_resolver_init(struct table_resolver *table)
{
	*table = (struct table_resolver){.resolver = {outside, is_shared, instance_id, instance}};
}

// Whose it is: a host's address, that of a host behind a prefix, or a prefix alone.
static int parse_holder(const char *text, struct table_entry *e)
{
	const char *at = strchr(text, '@');
	char host[64] = "";
	struct ipprefix prefix;

	if (!at) {
		if (ipaddr_parse(text, &e->inside) < 0)
			return -EINVAL;
		e->subscriber = subkey_v4(ipaddr_be32(&e->inside), 0);
		return 0;
	}
	memcpy(host, text, (size_t)(at - text));
	if (ipprefix_parse(at + 1, &prefix, NULL) < 0 ||
		(host[0] && ipaddr_parse(host, &e->inside) < 0))
		return -EINVAL;
	e->subscriber = subkey_of(&prefix, host[0] ? 0 : SUBKEY_SOFTWIRE);
	return 0;
}

int table_resolver_add(struct table_resolver *table, const char *line)
{
	struct table_entry e = {.upper = UINT16_MAX};
	char outside_text[64], inside_text[64], target_text[64];
	unsigned lower, upper, protocol = 0;

	if (table->entries == TABLE_ENTRIES)
		return -EINVAL;
	if (sscanf(line, "pool %63s", outside_text) == 1) {
		e.is_pool = true;
	} else if (sscanf(line, "icmp %63[^=]=%63[^>]>%63s", outside_text, inside_text,
			   target_text) == 3) {
		e.is_icmp = true;
		if (ipaddr_parse(target_text, &e.target) < 0)
			return -EINVAL;
	} else if (sscanf(line, "%63[^:]:%u-%u/%u=%63s", outside_text, &lower, &upper, &protocol,
			   inside_text) == 5 ||
		sscanf(line, "%63[^:]:%u-%u=%63s", outside_text, &lower, &upper, inside_text) ==
			4) {
		e.lower = (uint16_t)lower;
		e.upper = (uint16_t)upper;
		e.protocol = (uint8_t)protocol;
	} else if (sscanf(line, "%63[^=]=%63s", outside_text, inside_text) == 2) {
		e.whole = true;
	} else {
		return -EINVAL;
	}
	if (ipprefix_parse(outside_text, &e.outside, NULL) < 0)
		return -EINVAL;
	if (!e.is_pool && parse_holder(inside_text, &e) < 0)
		return -EINVAL;
	table->entry[table->entries++] = e;
	return 0;
}
