// SPDX-License-Identifier: BSD-3-Clause

#include "dots/dots.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "dots/mitigation.h"
#include "dots/schema.h"
#include "dots/tower.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Prefixes, joined by commas; the list is cut where the room ends.
static void join(char *out, size_t room, const struct ipprefix *prefix, unsigned count)
{
	char text[IPPREFIX_TEXT];
	size_t length = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < count && length + sizeof(text) < room; i++)
		length += (size_t)snprintf(out + length, room - length, "%s%s", i ? "," : "",
			ipprefix_format(&prefix[i], text));
}

static void tell_hook(struct hook *hook, const struct mitigation *m, enum mitigation_event event)
{
	static const char *const name[] = {
		[EVENT_ASKED] = "asked",
		[EVENT_BEGAN] = "began",
		[EVENT_WITHDRAWN] = "withdrawn",
		[EVENT_REJECTED] = "rejected",
		[EVENT_ENDED] = "ended",
	};
	char mid[16], sources[1024], targets[1024], subscribers[1024];
	struct ipprefix inside[16];
	unsigned count = 0;
	const char *const arguments[] = {name[event], m->owner->policy.name, m->cuid, mid, sources,
		targets, subscribers, event == EVENT_ENDED && m->outcome ? m->outcome : "", NULL};

	if (event == EVENT_REFRESHED)
		return;
	for (; count < m->enforcement.suspects && count < ARRAY_LEN(inside); count++)
		inside[count] = subkey_prefix(&m->enforcement.suspect[count].holder.subscriber);
	snprintf(mid, sizeof(mid), "%u", m->mid);
	join(sources, sizeof(sources), m->scope.source, m->scope.sources);
	join(targets, sizeof(targets), m->scope.target, m->scope.targets);
	join(subscribers, sizeof(subscribers), inside, count);
	hook_run(hook, arguments);
}

static void on_event(void *ctx, const struct mitigation *mitigation, enum mitigation_event event)
{
	struct dots *dots = ctx;

	if (dots->ledger)
		ledger_note(dots->ledger, mitigation, event);
	if (dots->hook)
		tell_hook(dots->hook, mitigation, event);
}

static void on_remark(void *ctx, const struct remark *remark)
{
	struct dots *dots = ctx;
	const char *const arguments[] = {
		remark->outcome, remark->upstream, "", "", "", "", "", remark->reason, NULL};

	if (dots->ledger)
		ledger_remark(dots->ledger, remark);
	// a flood of requests that are refused is no affair of the administrator's program
	if (dots->hook && !remark->cuid)
		hook_run(dots->hook, arguments);
}

int dots_hook(struct dots *dots, const char *path)
{
	struct hook *hook = path ? hook_new(dots->loop, path) : NULL;

	if (path && !hook)
		return -ENOMEM;
	hook_free(dots->hook);
	dots->hook = hook;
	return 0;
}

struct dots *dots_new(const struct dots_env *env)
{
	struct dots *dots = calloc(1, sizeof(*dots));

	if (!dots)
		return NULL;
	dots->loop = env->loop;
	dots->enforcer = (struct enforcer){
		.resolver = env->resolver, .acl = env->acl, .delegate = env->delegate};
	dots->mitigations = mitigations_new(env->loop, &dots->enforcer);
	if (!dots->mitigations) {
		free(dots);
		return NULL;
	}
	mitigations_watch(dots->mitigations, on_event, on_remark, dots);
	dots->operator.policy =(struct policy){
		.name = DOTS_OPERATOR,
		.max_subscribers = 16,
		.max_mitigations = 65536,
	};
	owner_join(dots->mitigations, &dots->operator);
	return dots;
}

void dots_free(struct dots *dots)
{
	struct session *next;

	if (!dots)
		return;
	// what is in force now is still so for the next run
	mitigations_watch(dots->mitigations, NULL, NULL, NULL);
	for (struct session *s = dots->sessions; s; s = next) {
		next = s->next;
		session_free(s);
	}
	mitigations_free(dots->mitigations);
	ledger_close(dots->ledger);
	hook_free(dots->hook);
	free(dots->accept);
	free(dots);
}

int dots_keep(struct dots *dots, const char *path, uint32_t audit_retention, uint32_t audit_size,
	struct err *err)
{
	dots->ledger = ledger_open(path, audit_retention, audit_size, dots->enforcer.resolver, err);
	return dots->ledger ? 0 : -EINVAL;
}

static struct session **find(struct dots *dots, const char *name)
{
	struct session **link = &dots->sessions;

	while (*link && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	return link;
}

// Whose mitigations are taken up again.
struct heir {
	struct mitigations *all;
	struct owner *owner;
};

static int take_up(void *ctx, struct restored *restored)
{
	struct heir *heir = ctx;

	return mitigation_restore(heir->all, heir->owner, restored);
}

static void restore(struct dots *dots, struct owner *owner)
{
	struct heir heir = {dots->mitigations, owner};
	unsigned count;

	if (!dots->ledger)
		return;
	owner->suspended = ledger_suspended(dots->ledger, owner->policy.name);
	count = ledger_restore(dots->ledger, owner->policy.name, take_up, &heir);

	if (count)
		log_notice("dots", "%s: %u mitigations go on", owner->policy.name, count);
}

void dots_resume(struct dots *dots)
{
	restore(dots, &dots->operator);
}

int dots_add(struct dots *dots, const struct dots_upstream *upstream, struct err *err)
{
	struct session **link = find(dots, upstream->name);

	if (*link || !strcmp(upstream->name, DOTS_OPERATOR))
		return err_code(err, -EEXIST, "upstream %s stands there twice", upstream->name);
	*link = session_new(dots->loop, upstream, dots->mitigations, err);
	if (!*link)
		return -EINVAL;
	restore(dots, &(*link)->signal.owner);
	session_start(*link);
	return 0;
}

int dots_renew(
	struct dots *dots, const char *name, const struct credentials_files *files, struct err *err)
{
	struct session *s = *find(dots, name);

	if (!s)
		return err_code(err, -ENOENT, "there is no upstream %s", name);
	return session_renew(s, files, err);
}

int dots_remove(struct dots *dots, const char *name, bool for_good)
{
	struct session **link = find(dots, name), *s = *link;

	if (!s)
		return -ENOENT;
	*link = s->next;
	if (!for_good)
		mitigations_watch(dots->mitigations, NULL, NULL, NULL);
	session_free(s);
	mitigations_watch(dots->mitigations, on_event, on_remark, dots);
	return 0;
}

void dots_inspect(struct dots *dots, const struct inspection *inspection)
{
	mitigations_inspect(dots->mitigations, inspection);
}

void dots_saw(struct dots *dots, uint32_t slot, uint32_t flow)
{
	mitigations_saw(dots->mitigations, slot, flow);
}

// ------------------------------------------------------------------ what is legitimate

int dots_accept(struct dots *dots, const struct accept_list *list)
{
	size_t prefixes = 0, names = 0;
	struct accept_list copy = {.entries = list->entries};
	struct accept_entry *entry;
	struct ipprefix *prefix;
	char *name;

	for (unsigned i = 0; i < list->entries; i++) {
		prefixes += list->entry[i].targets + list->entry[i].subscribers;
		names += strlen(list->entry[i].name) + 1;
	}
	entry = calloc(1, list->entries * sizeof(*entry) + prefixes * sizeof(*prefix) + names + 1);
	if (!entry)
		return -ENOMEM;
	prefix = (struct ipprefix *)(entry + list->entries);
	name = (char *)(prefix + prefixes);
	for (unsigned i = 0; i < list->entries; i++) {
		entry[i] = list->entry[i];
		entry[i].name = strcpy(name, list->entry[i].name);
		name += strlen(name) + 1;
		entry[i].target = prefix;
		for (unsigned k = 0; k < entry[i].targets; k++)
			*prefix++ = list->entry[i].target[k];
		entry[i].subscriber = prefix;
		for (unsigned k = 0; k < entry[i].subscribers; k++)
			*prefix++ = list->entry[i].subscriber[k];
	}
	copy.entry = entry;
	mitigations_accept(dots->mitigations, &copy);
	free(dots->accept);
	dots->accept = entry;
	return 0;
}

// ------------------------------------------------------------------ what is shown

// Unix time in seconds of a reading of clock_now().
static int64_t unix_seconds(uint64_t at)
{
	int64_t away = (int64_t)(at - clock_now()) / (int64_t)CLOCK_SECOND;

	return clock_unix_ms() / 1000 + away;
}

static struct dots_session_row session_row(const struct session *s)
{
	struct dots_session_row row = {
		.upstream = s->name,
		.host = s->host,
		.port = s->port,
		.state = session_state_name(s),
		.up = s->state == SESSION_UP,
		.since = unix_seconds(s->since),
		.last_error = s->last_error.text[0] ? s->last_error.text : NULL,
		.certificate_end = credentials_not_after(s->credentials),
		.ca_end = credentials_ca_end(s->credentials),
		.mitigations = s->signal.owner.mitigations,
		.suspended = s->signal.owner.suspended,
		.packet_rate = budget_rate(&s->signal.owner.budget),
		.confirmed = s->signal.owner.confirmed,
		.cleared = s->signal.owner.cleared,
		.observers = s->signal.observers.count,
		.sessions = s->established,
		.failures = session_failures(s),
		.requests = s->signal.requests,
		.refused = s->signal.refused,
		.notifications = s->signal.observers.notifications,
		.heartbeats_sent = s->heartbeat.sent,
		.heartbeats_heard = s->heartbeat.received,
		.heartbeats_missed = s->heartbeat.missing,
	};

	if (s->redirect.active)
		row.redirected_to = s->redirect.name;
	if (s->state == SESSION_WAITING && timer_is_set(&s->timer))
		row.retry_at = unix_seconds(s->timer.at);
	if (s->state == SESSION_UP) {
		const struct transport_peer *peer = transport_peer(s->association->transport);

		row.transport = s->association->kind == TRANSPORT_DTLS ? "dtls" : "tls";
		row.peer = peer->addr;
		row.peer_port = peer->port;
		row.peer_name = peer->name;
		row.peer_end = peer->not_after;
		row.cipher = peer->cipher;
		row.version = peer->version;
	}
	return row;
}

void dots_list_sessions(const struct dots *dots,
	void (*fn)(void *ctx, const struct dots_session_row *row), void *ctx)
{
	for (const struct session *s = dots->sessions; s; s = s->next) {
		struct dots_session_row row = session_row(s);

		fn(ctx, &row);
	}
}

static void show_mitigation(const struct mitigation *m,
	void (*fn)(void *ctx, const struct dots_mitigation_row *row), void *ctx)
{
	static const char *const phase[] = {
		[PHASE_ASKED] = "asked",
		[PHASE_IN_FORCE] = "in-force",
		[PHASE_ENDING] = "ending",
		[PHASE_REJECTED] = "rejected",
	};
	struct dropped dropped = mitigation_dropped(m);
	struct dots_suspect *suspect = calloc(m->enforcement.suspects + 1, sizeof(*suspect));
	struct dots_mitigation_row row = {
		.upstream = m->owner->policy.name,
		.cuid = m->cuid,
		.mid = m->mid,
		.scope = &m->scope,
		.lifetime = mitigation_remaining(m),
		.start = m->began_unix,
		.status = m->status,
		.status_label = schema_label(KIND_STATUS, m->status),
		.phase = phase[m->phase],
		.action = acl_action_name(m->measure.action),
		.packets = m->hits.packets,
		.bytes = m->hits.bytes,
		.decide_until = consent_until(m),
		.evidence_packets = m->evidence.packets,
		.evidence_bytes = m->evidence.bytes,
		.evidence_seconds = m->evidence_time / CLOCK_SECOND,
		.judgement = m->detector ? judgement_name(m->detector->judgement) : NULL,
		.flows = m->detector ? m->detector->flows : 0,
		.attack_status = m->attack_status,
		.attack_status_label = schema_label(KIND_ATTACK_STATUS, m->attack_status),
		.bytes_dropped = dropped.bytes,
		.packets_dropped = dropped.packets,
		.bps_dropped = dropped.bps,
		.pps_dropped = dropped.pps,
		.suspect = suspect,
		.suspects = suspect ? m->enforcement.suspects : 0,
		.acl_slot = m->enforcement.slot,
		.acl_slots = m->enforcement.slots,
	};

	for (unsigned i = 0; i < row.suspects; i++) {
		const struct holder *h = &m->enforcement.suspect[i].holder;

		suspect[i] = (struct dots_suspect){h->subscriber, h->outside, h->lower, h->upper,
			h->mapped, h->inside, h->inside_port};
	}
	fn(ctx, &row);
	free(suspect);
}

void dots_list_mitigations(const struct dots *dots,
	void (*fn)(void *ctx, const struct dots_mitigation_row *row), void *ctx)
{
	for (const struct mitigation *m = mitigation_first(dots->mitigations); m; m = m->next)
		show_mitigation(m, fn, ctx);
}

void dots_list_audit(
	const struct dots *dots, void (*fn)(void *ctx, const struct dots_audit_row *row), void *ctx)
{
	if (dots->ledger)
		ledger_audit(dots->ledger, fn, ctx);
}
