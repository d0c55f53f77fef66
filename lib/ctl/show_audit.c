// SPDX-License-Identifier: BSD-3-Clause

// The audit trail. The standard model has one entry for each cuid and mid; the records of one that was
// used again share it, and it is that of the newest.

#include "ctl/commands.h"
#include "dots/list.h"
#include "resolve/resolve.h"

static void set_text(json_t *object, const char *name, const char *text)
{
	if (text)
		json_object_set_new(object, name, json_string(text));
}

static void set_time(json_t *object, const char *name, int64_t unix_ms)
{
	if (unix_ms)
		json_object_set_new(object, name, json_time(unix_ms));
}

static json_t *subscriber_json(const struct dots_audit_subscriber *s)
{
	json_t *instance =
		s->nat_instance == RESOLVE_NATIVE_ID ? NULL : json_integer(s->nat_instance);

	return json_pack("{s:o*, s:o, s:o, s:i, s:i}", "nat-instance", instance, "address",
		json_prefix(&s->inside), "external-address", json_address(&s->outside),
		"lower-port", (int)s->lower, "upper-port", (int)s->upper);
}

static json_t *record_json(const struct dots_audit_row *row)
{
	json_t *list = json_array(), *e = json_object();

	json_object_set_new(e, "number", json_number64(row->number));
	set_text(e, "upstream", row->upstream);
	set_text(e, "cuid", row->cuid);
	json_object_set_new(e, "mid", json_integer(row->mid));
	set_time(e, "asked", row->asked);
	set_time(e, "began", row->began);
	set_time(e, "ended", row->ended);
	set_text(e, "decided-by", row->decided_by);
	set_text(e, "action", row->action);
	json_object_set_new(e, "rules", json_integer(row->rules));
	set_text(e, "outcome", row->outcome);
	set_text(e, "reason", row->reason);
	if (row->missed)
		json_object_set_new(e, "missed", json_number64(row->missed));
	json_object_set_new(e, "packets", json_number64(row->packets));
	json_object_set_new(e, "octets", json_number64(row->bytes));
	for (unsigned i = 0; i < row->subscribers; i++)
		json_array_append_new(list, subscriber_json(&row->subscriber[i]));
	json_object_set_new(e, "subscriber", list);
	return e;
}

struct trail {
	json_t *scopes;
	json_t *records;
	json_t *seen; // an object with a member for each cuid and mid
};

static void add_record(void *ctx, const struct dots_audit_row *row)
{
	struct trail *trail = ctx;
	json_t *key = json_sprintf("%u %s", row->mid, row->cuid);

	json_array_append_new(trail->records, record_json(row));
	if (row->scope && key && !json_object_get(trail->seen, json_string_value(key))) {
		json_object_set_new(trail->seen, json_string_value(key), json_true());
		json_array_append_new(trail->scopes, scope_json(row->cuid, row->mid, row->scope));
	}
	json_decref(key);
}

void show_audit(struct call *call)
{
	struct trail trail = {json_array(), json_array(), json_object()};

	dots_list_audit(call->source->dots, add_record, &trail);
	json_decref(trail.seen);
	call_json(call,
		json_pack("{s:{s:o}, s:{s:{s:o}}}", "ietf-dots-signal-channel:dots-signal", "scope",
			trail.scopes, "homeport:homeport", "dots", "audit", trail.records));
	call_end(call);
}
