// SPDX-License-Identifier: BSD-3-Clause

#include "dots/client.h"

#include "dots/mitigations.h"

#include <errno.h>
#include <stdlib.h>

struct client *client_find(
	const struct mitigations *all, const struct owner *owner, const char *cuid)
{
	const struct mitigation *any = roll_of_client(&all->roll, owner, cuid);

	return any ? any->client : NULL;
}

static struct client *make(struct owner *owner)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->next = owner->clients;
	if (client->next)
		client->next->prev = client;
	owner->clients = client;
	return client;
}

static void drop(struct owner *owner, struct client *client)
{
	if (client->prev)
		client->prev->next = client->next;
	else
		owner->clients = client->next;
	if (client->next)
		client->next->prev = client->prev;
	free(client);
}

// Never the same twice, also of a client that has gone and come again.
void client_changed(struct client *client, struct owner *owner)
{
	if (client)
		client->changed = ++owner->changes;
}

int client_join(struct mitigation *m)
{
	struct client *client = client_find(m->all, m->owner, m->cuid);

	if (!client)
		client = make(m->owner);
	if (!client)
		return -ENOMEM;
	m->client = client;
	m->before = client->last;
	m->after = NULL;
	if (client->last)
		client->last->after = m;
	else
		client->first = m;
	client->last = m;
	client->mitigations++;
	client->rejected += m->phase == PHASE_REJECTED;
	client_changed(client, m->owner);
	return 0;
}

void client_leave(struct mitigation *m)
{
	struct client *client = m->client;

	if (m->before)
		m->before->after = m->after;
	else
		client->first = m->after;
	if (m->after)
		m->after->before = m->before;
	else
		client->last = m->before;
	client->mitigations--;
	client->rejected -= m->phase == PHASE_REJECTED;
	client_changed(client, m->owner);
	m->client = NULL;
	if (!client->mitigations)
		drop(m->owner, client);
}
