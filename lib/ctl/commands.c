// SPDX-License-Identifier: BSD-3-Clause

// Which words are which command.

#include "ctl/commands.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void advance(struct call *call)
{
	const char *text = call->request.word[2];
	char *end;
	unsigned long long seconds = strtoull(text, &end, 10);

	if (*end || end == text || text[0] == '-' || seconds > 1000000000) {
		call_fail(call, PROTO_USAGE, "seconds: %s. Allowed: 0 to 1000000000", text);
		return;
	}
	if (call->source->advance(call->source->ctx, seconds) < 0) {
		call_fail(call, PROTO_FAILED,
			"the clock runs by itself: homeportd was started without --test-clock");
		return;
	}
	call_text(call, "{}");
	call_end(call);
}

static const struct {
	const char *first;
	const char *second;
	unsigned least; // words, these two included
	unsigned most;
	void (*fn)(struct call *call);
} commands[] = {
	{"show", "interfaces", 2, 2, show_interfaces},
	{"show", "instances", 2, 2, show_instances},
	{"show", "mappings", 2, 2, show_mappings},
	{"show", "bindings", 2, 2, show_bindings},
	{"show", "notifications", 2, 2, show_notifications},
	{"show", "subscribers", 2, 2, show_subscribers},
	{"show", "deterministic", 3, 3, show_deterministic},
	{"show", "acls", 2, 2, show_acls},
	{"show", "counters", 2, 2, show_counters},
	{"show", "workers", 2, 2, show_workers},
	{"show", "dots", 2, 3, show_dots},
	{"show", "mitigations", 2, 2, show_mitigations},
	{"show", "consent", 2, 2, show_consent},
	{"show", "audit", 2, 2, show_audit},
	{"show", "config", 2, 2, show_config},
	{"dots", "approve", 3, PROTO_WORDS_MAX, do_approve},
	{"dots", "reject", 3, PROTO_WORDS_MAX, do_reject},
	{"dots", "mitigate", 6, PROTO_WORDS_MAX, do_mitigate},
	{"dots", "withdraw", 3, PROTO_WORDS_MAX, do_withdraw},
	{"dots", "suspend", 3, 3, do_suspend},
	{"dots", "resume", 3, 3, do_resume},
	{"lookup", NULL, 4, 8, do_lookup},
	{"test", "advance", 3, 3, advance},
};

void call_start(struct call *call)
{
	const struct request *r = &call->request;

	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const char *second = commands[i].second;

		if (strcmp(r->word[0], commands[i].first) ||
			(second && (r->words < 2 || strcmp(r->word[1], second))))
			continue;
		if (r->words < commands[i].least || r->words > commands[i].most)
			call_fail(call, PROTO_USAGE, "%s%s%s takes %u to %u words",
				commands[i].first, second ? " " : "", second ? second : "",
				commands[i].least, commands[i].most);
		else
			commands[i].fn(call);
		return;
	}
	call_fail(call, PROTO_USAGE, "no such command");
}

json_t *json_time(int64_t unix_ms)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	char text[40];
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof(text) - n, ".%03dZ", (int)(unix_ms % 1000));
	return json_string(text);
}

json_t *json_number64(uint64_t value)
{
	return json_sprintf("%llu", (unsigned long long)value);
}

json_t *json_address(const struct ipaddr *addr)
{
	char text[IPADDR_TEXT];

	return json_string(ipaddr_format(addr, text));
}

json_t *json_prefix(const struct ipprefix *prefix)
{
	char text[IPPREFIX_TEXT];

	return json_string(ipprefix_format(prefix, text));
}

json_t *subscriber_instance(const struct call *call, const struct subkey *key)
{
	const struct snapshot *s = call->source->snapshot(call->source->ctx);

	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		if (s->policy[slot] && s->policy[slot]->instance == key->instance)
			return json_integer(s->policy[slot]->instance_id);
	}
	return NULL;
}
