// SPDX-License-Identifier: BSD-3-Clause

#include "dots/redirect.h"

#include "base/bits.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool has_talked(const struct redirect *r, const char *name)
{
	unsigned count = r->talks < ARRAY_LEN(r->talked) ? r->talks : ARRAY_LEN(r->talked);

	for (unsigned i = 0; i < count; i++) {
		if (!strcasecmp(r->talked[i].name, name) &&
			clock_now() - r->talked[i].at < REDIRECT_LOOP_TIME)
			return true;
	}
	return false;
}

// Only what can stand in a certificate as a DNS name is looked up and asked for.
static bool is_domain_name(const char *name)
{
	struct ipaddr addr;

	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
		strlen(name) &&
		ipaddr_parse(name, &addr) < 0;
}

// CH-27
int redirect_take(struct redirect *r, const char *talking_to, const struct redirect_body *body,
	struct err *err)
{
	if (!is_domain_name(body->name))
		return err_set(err, "alt-ch-client is no domain name");
	if (!strcasecmp(talking_to, body->name))
		return err_set(err, "alt-ch-client %s: the session is with it already", body->name);
	if (has_talked(r, body->name))
		return err_set(err,
			"alt-ch-client %s: there was a session with it within five minutes, which "
			"looks like a loop",
			body->name);
	if (body->records > HOSTNAME_ADDRESSES)
		return err_set(err, "alt-ch-client-record: %u addresses. Allowed: up to %d",
			body->records, HOSTNAME_ADDRESSES);
	r->active = true;
	snprintf(r->name, sizeof(r->name), "%s", body->name);
	if (body->records)
		memcpy(r->addr, body->record, body->records * sizeof(*r->addr));
	r->addrs = body->records;
	if (!body->has_ttl)
		r->end = REDIRECT_WITH_SESSION;
	else if (!body->ttl)
		r->end = REDIRECT_WITH_ATTACK;
	else
		r->end = body->ttl == UINT32_MAX ? REDIRECT_NEVER : REDIRECT_AT_TIME;
	r->until = clock_now() + body->ttl * CLOCK_SECOND;
	return 0;
}

void redirect_drop(struct redirect *r)
{
	r->active = false;
}

void redirect_talked(struct redirect *r, const char *name)
{
	unsigned i = r->talks++ % ARRAY_LEN(r->talked);

	snprintf(r->talked[i].name, sizeof(r->talked[i].name), "%s", name);
	r->talked[i].at = clock_now();
}

bool redirect_is_over(const struct redirect *r, bool attack)
{
	if (!r->active || attack)
		return false;
	return r->end == REDIRECT_WITH_ATTACK ||
		(r->end == REDIRECT_AT_TIME && clock_now() >= r->until);
}
