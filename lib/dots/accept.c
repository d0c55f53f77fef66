// SPDX-License-Identifier: BSD-3-Clause

#include "dots/accept.h"

#include <string.h>

static bool meets_target(const struct accept_entry *e, const struct scope *scope)
{
	for (unsigned i = 0; i < e->targets; i++) {
		for (unsigned k = 0; k < scope->targets; k++) {
			if (ipprefix_overlaps(&e->target[i], &scope->target[k]))
				return true;
		}
	}
	return !e->targets;
}

static bool meets_subscriber(const struct accept_entry *e, const struct subkey *subscriber)
{
	struct ipprefix prefix = subkey_prefix(subscriber);

	for (unsigned i = 0; i < e->subscribers; i++) {
		if (ipprefix_overlaps(&e->subscriber[i], &prefix))
			return true;
	}
	return !e->subscribers;
}

// A request that names no protocol is about all of them, one without ports about all ports.
static bool meets_service(const struct accept_entry *e, const struct scope *scope)
{
	if (!e->any_protocol && scope->protocols &&
		!memchr(scope->protocol, e->protocol, scope->protocols))
		return false;
	for (unsigned i = 0; i < scope->target_ports; i++) {
		if (scope->target_port[i].lower <= e->port.upper &&
			scope->target_port[i].upper >= e->port.lower)
			return true;
	}
	return !scope->target_ports;
}

const struct accept_entry *accept_find(
	const struct accept_list *list, const struct scope *scope, const struct subkey *subscriber)
{
	for (unsigned i = 0; i < list->entries; i++) {
		const struct accept_entry *e = &list->entry[i];

		if (meets_target(e, scope) && meets_subscriber(e, subscriber) &&
			meets_service(e, scope))
			return e;
	}
	return NULL;
}
