// SPDX-License-Identifier: BSD-3-Clause

// Records of deterministic NAT (RFC 7422 section 3): whoever has them can tell whose a port was, without a
// log of flows. One is logged when parameters come in force, and again every day:
//
//	[time]:inside:mask:outside:mask:D:M:A:reserved
//
// Several prefixes stand in a row with commas, and their masks likewise. The key of the algorithm
// cryptographic is not told.

#include "base/bits.h"
#include "base/clock.h"

#include "box.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define DAY (86400 * CLOCK_SECOND)

struct line {
	char text[2048];
	size_t length;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
	size_t room = sizeof(line->text) - line->length;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line->text + line->length, room, format, ap);
	va_end(ap);
	if (n > 0)
		line->length += (size_t)n < room ? (size_t)n : room - 1;
}

static void add_inside(struct line *line, const struct detnat *d)
{
	char text[IPADDR_TEXT];

	for (unsigned i = 0; i < d->prefixes; i++)
		add(line, "%s%s", i ? "," : ":", ipaddr_format(&d->inside[i].addr, text));
	for (unsigned i = 0; i < d->prefixes; i++)
		add(line, "%s%u", i ? "," : ":", d->inside[i].len);
}

static void add_outside(struct line *line, const struct pool *pool)
{
	char text[IPADDR_TEXT];

	for (unsigned i = 0; i < pool->ranges; i++) {
		struct ipaddr first = ipaddr_v4(rte_cpu_to_be_32(pool->range[i].first));

		add(line, "%s%s", i ? "," : ":", ipaddr_format(&first, text));
	}
	// each range is a prefix of the configuration
	for (unsigned i = 0; i < pool->ranges; i++)
		add(line, "%s%d", i ? "," : ":",
			32 - __builtin_popcount(pool->range[i].first ^ pool->range[i].last));
}

static void add_reserved(struct line *line, const struct port_set *reserved)
{
	const char *comma = ":";

	for (uint32_t port = 0; port <= UINT16_MAX; port++) {
		uint32_t last = port;

		if (!port_set_has(reserved, (uint16_t)port))
			continue;
		while (last < UINT16_MAX && port_set_has(reserved, (uint16_t)(last + 1)))
			last++;
		if (last > port)
			add(line, "%s%u-%u", comma, port, last);
		else
			add(line, "%s%u", comma, port);
		comma = ",";
		port = last;
	}
}

static void record(const struct pool *pool)
{
	const struct detnat *d = pool->fixed;
	time_t now = (time_t)(clock_unix_ms() / 1000);
	struct line line = {.length = 0};
	char text[32];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%a %b %e %T %Y", &tm);
	add(&line, "[%s]", text);
	add_inside(&line, d);
	add_outside(&line, pool);
	add(&line, ":%u:%u:%u", d->dynamic_factor, d->max_ports, d->algorithm);
	add_reserved(&line, &pool->reserved);
	log_notice("deterministic", "%s", line.text);
}

// Records the pools of a snapshot that an older one (NULL: none) does not have.
static void record_all(const struct snapshot *s, const struct snapshot *old)
{
	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *policy = s->policy[slot];
		const struct nat_policy *was = old ? old->policy[slot] : NULL;

		if (policy && policy->pool->fixed && !(was && was->pool == policy->pool))
			record(policy->pool);
	}
}

static void on_day(struct timer *timer)
{
	struct box *box = CONTAINER_OF(timer, struct box, records);

	record_all(box->snapshot, NULL);
	timer_set(box->loop, timer, timer->at + DAY, on_day);
}

void record_adopt(struct box *box, const struct snapshot *old)
{
	record_all(box->snapshot, old);
	if (!timer_is_set(&box->records))
		timer_set(box->loop, &box->records, clock_now() + DAY, on_day);
}
