// SPDX-License-Identifier: BSD-3-Clause

// The workers, and how evenly they share what there is to do.

#include "ctl/commands.h"

static json_t *one(unsigned number, const struct ctl_worker *w)
{
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o}",
		"number", (int)number, "received", json_number64(w->received), "handed-over",
		json_number64(w->handed_over), "taken-over", json_number64(w->taken_over),
		"busy-time", json_number64(w->busy_ms), "time", json_number64(w->time_ms), "busy",
		(json_int_t)w->recent_busy, "mappings", (json_int_t)w->mappings, "sessions",
		(json_int_t)w->sessions, "subscribers", (json_int_t)w->subscribers, "port-sets",
		(json_int_t)w->port_sets, "port-sets-given", json_number64(w->sets_given),
		"port-sets-taken", json_number64(w->sets_taken));
}

json_t *all_workers(const struct call *call)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < call->source->workers; i++) {
		struct ctl_worker w;

		call->source->worker(call->source->ctx, i, &w);
		json_array_append_new(list, one(i, &w));
	}
	return list;
}

// How many percent more packets than the mean the worker with the most has had of late.
static uint64_t imbalance(const struct call *call)
{
	uint64_t sum = 0, most = 0;

	for (unsigned i = 0; i < call->source->workers; i++) {
		struct ctl_worker w;

		call->source->worker(call->source->ctx, i, &w);
		sum += w.recent_packets;
		if (w.recent_packets > most)
			most = w.recent_packets;
	}
	return sum ? most * call->source->workers * 100 / sum - 100 : 0;
}

void show_workers(struct call *call)
{
	call_json(call,
		json_pack("{s:{s:{s:I, s:o}}}", "homeport:homeport", "statistics", "imbalance",
			(json_int_t)imbalance(call), "worker", all_workers(call)));
	call_end(call);
}
