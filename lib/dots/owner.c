// SPDX-License-Identifier: BSD-3-Clause

// The upstreams, and what each of them has asked for.

#include "dots/client.h"
#include "dots/mitigations.h"

#include <string.h>

void owner_join(struct mitigations *all, struct owner *owner)
{
	struct owner **link = &all->owners;

	while (*link)
		link = &(*link)->next;
	owner->next = NULL;
	*link = owner;
}

void owner_leave(struct mitigations *all, struct owner *owner)
{
	struct owner **link = &all->owners;

	while (*link && *link != owner)
		link = &(*link)->next;
	if (*link)
		*link = owner->next;
}

struct mitigation *owner_first(const struct owner *owner)
{
	return owner->clients ? owner->clients->first : NULL;
}

struct mitigation *owner_next(const struct mitigation *m)
{
	if (m->after)
		return m->after;
	return m->client->next ? m->client->next->first : NULL;
}

struct mitigation *mitigation_named(
	const struct mitigations *all, const char *upstream, uint32_t mid, struct err *err)
{
	struct mitigation *found = NULL;

	for (const struct owner *o = all->owners; o; o = o->next) {
		if (upstream && strcmp(o->policy.name, upstream) != 0)
			continue;
		for (const struct client *c = o->clients; c; c = c->next) {
			struct mitigation *m = mitigation_find(all, o, c->first->cuid, mid);

			if (m && found) {
				err_set(err, "mid %u: upstreams %s and %s both have one: say which",
					mid, found->owner->policy.name, o->policy.name);
				return NULL;
			}
			found = m ? m : found;
		}
	}
	if (!found)
		err_set(err, "mid %u: no such mitigation", mid);
	return found;
}
