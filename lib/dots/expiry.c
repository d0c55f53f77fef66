// SPDX-License-Identifier: BSD-3-Clause

#include "dots/expiry.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "dots/list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DAY_S INT64_C(86400)

struct expiry {
	struct evloop *loop;
	const struct dots *dots;
	const struct homes *homes;
	unsigned days;
	struct timer timer;
};

struct expiry *expiry_new(struct evloop *loop, const struct dots *dots, const struct homes *homes)
{
	struct expiry *e = calloc(1, sizeof(*e));

	if (e)
		*e = (struct expiry){.loop = loop, .dots = dots, .homes = homes};
	return e;
}

void expiry_free(struct expiry *e)
{
	if (!e)
		return;
	timer_stop(e->loop, &e->timer);
	free(e);
}

bool expiry_text(const struct expiry *e, const char *whose, int64_t end, char out[EXPIRY_TEXT])
{
	int64_t now = clock_unix_ms() / 1000;
	time_t at = (time_t)end;
	char date[32];
	struct tm tm;

	if (!end || end - now > e->days * DAY_S || !gmtime_r(&at, &tm))
		return false;
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &tm);
	snprintf(out, EXPIRY_TEXT, "%s %s on %s", whose, end < now ? "has expired" : "expires",
		date);
	return true;
}

static void tell(const struct expiry *e, const char *where, const char *whose, int64_t end)
{
	char text[EXPIRY_TEXT];

	if (expiry_text(e, whose, end, text))
		log_warning("dots", "%s: %s", where, text);
}

static void tell_session(void *ctx, const struct dots_session_row *row)
{
	tell(ctx, row->upstream, EXPIRY_OWN, row->certificate_end);
	tell(ctx, row->upstream, EXPIRY_CA, row->ca_end);
	tell(ctx, row->upstream, EXPIRY_PEER, row->peer_end);
}

static void tell_home(void *ctx, const struct dots_home_row *row)
{
	tell(ctx, row->name, EXPIRY_HOME, row->certificate_end);
}

static void daily(struct timer *timer)
{
	struct expiry *e = CONTAINER_OF(timer, struct expiry, timer);
	struct dots_homes_counters homes;

	dots_list_sessions(e->dots, tell_session, e);
	homes_count(e->homes, &homes);
	tell(e, "homes", EXPIRY_OWN, homes.certificate_end);
	tell(e, "homes", EXPIRY_CA, homes.ca_end);
	homes_list(e->homes, NULL, tell_home, e);
	timer_set(e->loop, timer, clock_now() + (uint64_t)DAY_S * CLOCK_SECOND, daily);
}

int expiry_begin(struct expiry *e, unsigned days)
{
	e->days = days;
	return timer_set(e->loop, &e->timer, clock_now(), daily);
}
