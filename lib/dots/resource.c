// SPDX-License-Identifier: BSD-3-Clause

#include "dots/resource.h"

#include <string.h>

// The value of "name=value"; false if the segment is not of this name.
static bool named(const struct slice *segment, const char *name, struct slice *value)
{
	size_t length = strlen(name);

	if (segment->length <= length || memcmp(segment->data, name, length) != 0 ||
		segment->data[length] != '=')
		return false;
	*value = (struct slice){segment->data + length + 1, segment->length - length - 1};
	return true;
}

static bool read_id(const struct slice *value, uint32_t *id)
{
	uint64_t v = 0;

	if (!value->length || value->length > 10)
		return false;
	for (size_t i = 0; i < value->length; i++) {
		if (value->data[i] < '0' || value->data[i] > '9')
			return false;
		v = v * 10 + (value->data[i] - '0');
	}
	*id = (uint32_t)v;
	return v <= UINT32_MAX;
}

static bool read_cuid(const struct slice *value, char *cuid)
{
	if (!value->length || value->length > CUID_MAX)
		return false;
	for (size_t i = 0; i < value->length; i++) {
		if (value->data[i] <= ' ' || value->data[i] > '~')
			return false;
	}
	memcpy(cuid, value->data, value->length);
	cuid[value->length] = 0;
	return true;
}

// V1, V4: [cdid=X] cuid=Y [mid=N]. A cdid is for trusted gateways to set; from anyone else it is
// passed over (RFC 9132 section 4.4.1.2).
static bool read_mitigate(const struct message *m, struct resource *resource, struct reply *reply)
{
	struct slice value;
	unsigned at = 3;

	if (at < m->path_count && named(&m->path[at], "cdid", &value))
		at++;
	if (at >= m->path_count || !named(&m->path[at], "cuid", &value) ||
		!read_cuid(&value, resource->cuid)) {
		reply_refuse(reply, 400, "the path needs a cuid of 1 to %d printable characters",
			CUID_MAX);
		return false;
	}
	if (++at < m->path_count && named(&m->path[at], "mid", &value)) {
		if (!read_id(&value, &resource->mid)) {
			reply_refuse(reply, 400, "mid is not a number from 0 to %u", UINT32_MAX);
			return false;
		}
		resource->has_mid = true;
		at++;
	}
	if (at != m->path_count)
		reply_refuse(reply, 400, "the path is not /mitigate/cuid=.../mid=...");
	return at == m->path_count;
}

static bool read_config(const struct message *m, struct resource *resource, struct reply *reply)
{
	struct slice value;

	if (m->path_count == 3)
		return true;
	resource->has_sid = m->path_count == 4 && named(&m->path[3], "sid", &value) &&
		read_id(&value, &resource->sid);
	if (!resource->has_sid) // cuid in particular may not stand here (RFC 9132 section 4.5)
		reply_refuse(reply, 400, "the path is not /config or /config/sid=...");
	return resource->has_sid;
}

bool resource_read(const struct message *m, struct resource *resource, struct reply *reply)
{
	*resource = (struct resource){0};
	if (m->path_count >= 3 && m->path_count <= MESSAGE_PATH_MAX &&
		slice_is(&m->path[0], ".well-known") && slice_is(&m->path[1], "dots")) {
		if (slice_is(&m->path[2], "mitigate"))
			return read_mitigate(m, resource, reply);
		if (slice_is(&m->path[2], "config")) {
			resource->kind = RESOURCE_CONFIG;
			return read_config(m, resource, reply);
		}
		if (slice_is(&m->path[2], "hb")) {
			resource->kind = RESOURCE_HB;
			return true;
		}
		// RFC 9066 section 5.2.2 has no ids in its text, and cuid and mid in its figure
		if (slice_is(&m->path[2], "redirect")) {
			if (m->path_count == 3) {
				resource->kind = RESOURCE_REDIRECT;
				return true;
			}
			if (!read_mitigate(m, resource, reply))
				return false;
			resource->kind = RESOURCE_REDIRECT;
			return true;
		}
	}
	reply_refuse(
		reply, 404, "there is mitigate, config, hb and redirect under /.well-known/dots");
	return false;
}
