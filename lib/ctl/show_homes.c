// SPDX-License-Identifier: BSD-3-Clause

// Subscribers' homes as the operator sees them: all of them in numbers, or one with all there is to say.

#include "base/clock.h"
#include "ctl/commands.h"
#include "dots/list.h"

static void set_text(json_t *object, const char *name, const char *text)
{
	if (text)
		json_object_set_new(object, name, json_string(text));
}

struct home_list {
	const struct call *call;
	json_t *entries;
};

static void add_home(void *ctx, const struct dots_home_row *row)
{
	static const char *const identity[] = {[HOME_BY_NAME] = "certificate-name",
		[HOME_BY_KEY] = "key-hash",
		[HOME_BY_PSK] = "psk-identity"};
	const struct home_list *list = ctx;
	json_t *state = json_object(), *home = json_object();

	set_text(state, "status", row->state);
	set_text(state, "transport", row->transport);
	if (row->peer.family) {
		json_object_set_new(state, "peer-address", json_address(&row->peer));
		json_object_set_new(state, "peer-port", json_integer(row->peer_port));
		json_object_set_new(state, "resumed", json_boolean(row->resumed));
	}
	set_text(state, "protocol", row->version);
	set_text(state, "cipher", row->cipher);
	json_object_set_new(state, "since", json_time(row->since * 1000));
	if (row->certificate_end)
		json_object_set_new(
			state, "certificate-expires", json_time(row->certificate_end * 1000));
	add_warning(list->call, state, EXPIRY_HOME, row->certificate_end);
	set_text(state, "cuid", row->cuid);
	json_object_set_new(state, "mitigations", json_integer(row->orders));
	json_object_set_new(state, "confirmed", json_integer(row->confirmed));
	json_object_set_new(state, "sessions", json_number64(row->sessions));
	json_object_set_new(state, "requests", json_number64(row->requests));
	json_object_set_new(state, "refused", json_number64(row->refused));
	json_object_set_new(state, "heartbeats-sent", json_number64(row->heartbeats_sent));
	json_object_set_new(state, "heartbeats-heard", json_number64(row->heartbeats_heard));
	json_object_set_new(state, "heartbeats-missed", json_integer(row->heartbeats_missed));
	set_text(state, "last-error", row->last_error);
	json_object_set_new(home, "name", json_string(row->name));
	json_object_set_new(home, identity[row->kind], json_string(row->identity));
	json_object_set_new(home, "subscriber", json_prefix(&row->subscriber));
	json_object_set_new(home, "state", state);
	json_array_append_new(list->entries, home);
}

static void add_dropped(void *ctx, const struct ipprefix *source, uint64_t left_ns)
{
	json_array_append_new(ctx,
		json_pack("{s:o, s:I}", "prefix", json_prefix(source), "seconds",
			(json_int_t)((left_ns + CLOCK_SECOND - 1) / CLOCK_SECOND)));
}

json_t *one_home(const struct call *call, const char *name)
{
	struct home_list list = {call, json_array()};

	homes_list(call->source->homes, name, add_home, &list);
	if (json_array_size(list.entries))
		return json_pack("{s:o}", "home", list.entries);
	json_decref(list.entries);
	return NULL;
}

json_t *all_homes(const struct call *call)
{
	struct dots_homes_counters c;
	json_t *state, *dropped;

	homes_count(call->source->homes, &c);
	if (!c.listeners)
		return NULL;
	dropped = json_array();
	homes_list_dropped(call->source->homes, add_dropped, dropped);
	state = json_pack("{s:i, s:i, s:i, s:i}", "configured", (int)c.configured, "ready",
		(int)c.ready, "half-open", (int)c.half_open, "mitigations", (int)c.orders);
	if (c.certificate_end)
		json_object_set_new(
			state, "certificate-expires", json_time(c.certificate_end * 1000));
	add_warning(call, state, EXPIRY_OWN, c.certificate_end);
	add_warning(call, state, EXPIRY_CA, c.ca_end);
	add_warning(call, state, EXPIRY_HOME, c.peer_end);
	json_object_set_new(state, "handshakes", json_number64(c.handshakes));
	json_object_set_new(state, "failed", json_number64(c.failed));
	json_object_set_new(state, "unknown", json_number64(c.unknown));
	json_object_set_new(state, "misplaced", json_number64(c.misplaced));
	json_object_set_new(state, "not-admitted", json_number64(c.not_admitted));
	json_object_set_new(
		state, "stepped-in", json_number64(call->source->stepped_in(call->source->ctx)));
	return json_pack("{s:o, s:{s:o}}", "state", state, "drop-list", "source", dropped);
}
