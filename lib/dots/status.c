// SPDX-License-Identifier: BSD-3-Clause

#include "dots/status.h"

#include "dots/client.h"

#include <errno.h>
#include <stdlib.h>

// far beyond what the mitigations of one upstream take
#define BODY_MAX (4 * 1024 * 1024)

// Borrows the scope of the mitigation.
static struct mitigation_body body_of(const struct mitigation *m)
{
	bool ended = m->status == STATUS_TERMINATED;

	return (struct mitigation_body){
		.has_mid = true,
		.mid = m->mid,
		.start = (uint64_t)m->began_unix,
		.scope = m->scope,
		.has_lifetime = true,
		.lifetime = ended ? 0 : mitigation_remaining(m),
		.status = m->status,
		.conflict.cause = m->conflict_cause,
		.has_dropped = m->phase != PHASE_ASKED,
		.dropped = mitigation_dropped(m),
	};
}

int status_write_one(const struct mitigation *m, uint8_t *out, size_t room)
{
	struct mitigation_body body = body_of(m);

	return codec_write_mitigations(&body, 1, out, room);
}

// Writes into ever larger buffers until it fits.
static int write_growing(const struct mitigation_body *bodies, unsigned count,
	const struct config_body *config, uint8_t **body)
{
	int rc = -EMSGSIZE;

	*body = NULL;
	for (size_t room = 1024; rc == -EMSGSIZE && room <= BODY_MAX; room *= 4) {
		uint8_t *larger = realloc(*body, room);

		if (!larger) {
			rc = -ENOMEM;
			break;
		}
		*body = larger;
		rc = config ? codec_write_config(config, *body, room)
			    : codec_write_mitigations(bodies, count, *body, room);
	}
	if (rc < 0) {
		free(*body);
		*body = NULL;
	}
	return rc;
}

static const struct client *client_of(const struct selection *s)
{
	return client_find(s->all, s->owner, s->cuid);
}

static const struct mitigation *mitigation_of(const struct selection *s)
{
	return mitigation_find(s->all, s->owner, s->cuid, s->mid);
}

static int write_list(const struct client *client, uint8_t **body)
{
	struct mitigation_body *bodies;
	unsigned count = 0;
	int rc;

	if (client->mitigations > STATUS_LIST_MAX)
		return -EMSGSIZE;
	bodies = calloc(client->mitigations, sizeof(*bodies));
	if (!bodies)
		return -ENOMEM;
	for (const struct mitigation *m = client->first; m; m = m->after)
		bodies[count++] = body_of(m);
	rc = write_growing(bodies, count, NULL, body);
	free(bodies);
	return rc;
}

int status_write_whole(const struct selection *s, uint8_t **body)
{
	const struct mitigation *m;
	const struct client *client;
	struct mitigation_body one;

	if (s->config)
		return write_growing(NULL, 0, config_now(s->config), body);
	if (!s->has_mid) {
		client = client_of(s);
		return client ? write_list(client, body) : -ENOENT;
	}
	m = mitigation_of(s);
	if (!m)
		return -ENOENT;
	one = body_of(m);
	return write_growing(&one, 1, NULL, body);
}

bool status_is_live(const struct selection *s)
{
	const struct mitigation *m;
	const struct client *client;

	if (s->config)
		return false;
	if (!s->has_mid) {
		client = client_of(s);
		return client && client->mitigations > client->rejected;
	}
	m = mitigation_of(s);
	return m && m->phase != PHASE_REJECTED;
}

uint64_t status_digest(const struct selection *s)
{
	const struct mitigation *m;
	const struct client *client;

	if (s->config) {
		config_now(s->config);
		return s->config->version;
	}
	if (!s->has_mid) {
		client = client_of(s);
		return client ? client->changed : 0;
	}
	// one that has gone and come again is another
	m = mitigation_of(s);
	return m ? m->place.number << 8 | m->status : 0;
}
