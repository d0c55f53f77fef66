// SPDX-License-Identifier: BSD-3-Clause

#include "dots/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// far beyond what the mitigations of one upstream take
#define BODY_MAX (4 * 1024 * 1024)

static bool selected(const struct selection *s, const struct mitigation *m)
{
	return m->owner == s->owner && !strcmp(m->cuid, s->cuid) &&
		(!s->has_mid || m->mid == s->mid);
}

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
		return -ENOMEM;
	}
	return rc;
}

int status_write_whole(const struct selection *s, uint8_t **body)
{
	struct mitigation_body *bodies;
	unsigned count = 0;
	int rc;

	if (s->config)
		return write_growing(NULL, 0, config_now(s->config), body);
	bodies = calloc(s->owner->mitigations + 1, sizeof(*bodies));
	if (!bodies)
		return -ENOMEM;
	for (const struct mitigation *m = mitigation_first(s->all); m; m = m->next) {
		if (selected(s, m))
			bodies[count++] = body_of(m);
	}
	rc = count ? write_growing(bodies, count, NULL, body) : -ENOENT;
	free(bodies);
	return rc;
}

bool status_is_live(const struct selection *s)
{
	for (const struct mitigation *m = mitigation_first(s->all); m && !s->config; m = m->next) {
		if (selected(s, m) && m->phase != PHASE_REJECTED)
			return true;
	}
	return false;
}

uint32_t status_digest(const struct selection *s)
{
	uint32_t digest = 0;

	if (s->config) {
		config_now(s->config);
		return s->config->version;
	}
	for (const struct mitigation *m = mitigation_first(s->all); m; m = m->next) {
		if (selected(s, m))
			digest = (digest ^ m->mid ^ (uint32_t)m->status << 24) * 0x01000193u + 1;
	}
	return digest;
}
