// SPDX-License-Identifier: BSD-3-Clause

// A request is judged in this order, and the first failure answers: CoAP options (exchange.c), path,
// authorisation, CBOR (cborio.c), schema (schema.c, decode.c), semantics (validate.c), policy
// (mitigation.c, enforce.c). Who speaks here has been authenticated by (D)TLS and is one configured
// upstream, so what is left of authorisation is that it sees its own mitigations only.

#include "dots/signal.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "dots/validate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// when to come back to a server that is full (RFC 9132 section 4.4.1.3)
#define RETRY_SECONDS 60
#define HOP_LIMIT     16 // of a request that does not say (RFC 8768 section 3)
static void apply_config(struct signal *signal);

static void mitigation_is_ending(struct owner *owner, const struct mitigation *mitigation)
{
	struct signal *signal = CONTAINER_OF(owner, struct signal, owner);

	observers_ending(&signal->observers, mitigation);
	apply_config(signal);
}

void signal_init(struct signal *signal, struct evloop *loop, struct mitigations *all,
	const struct policy *policy, const struct config_body *config, uint32_t config_lifetime)
{
	*signal = (struct signal){
		.owner = {.policy = *policy, .ending = mitigation_is_ending},
		.loop = loop,
		.all = all,
	};
	owner_join(all, &signal->owner);
	config_init(&signal->config, config, config_lifetime);
}

void signal_end(struct signal *signal)
{
	signal_detach(signal);
	mitigations_drop(signal->all, &signal->owner);
}

void signal_attach(struct signal *signal, struct exchange *exchange, struct heartbeat *heartbeat)
{
	signal->heartbeat = heartbeat;
	signal->exchange = exchange;
	observers_start(&signal->observers, signal->loop, exchange, signal->all, &signal->owner,
		&signal->blocks);
	// of a new session nothing is in force yet
	signal->config.in_force = NULL;
	apply_config(signal);
}

void signal_detach(struct signal *signal)
{
	observers_stop(&signal->observers);
	blocks_clear(&signal->blocks);
	timer_stop(signal->loop, &signal->config_timer);
	signal->heartbeat = NULL;
	signal->exchange = NULL;
}

void signal_reset(struct signal *signal, const uint8_t *token, uint8_t token_length)
{
	observers_remove(&signal->observers, token, token_length);
}

// ------------------------------------------------------------------ answers

static void answer_cbor(struct reply *reply, unsigned code, int length)
{
	if (length < 0) {
		reply_refuse(reply, 501, "the answer does not fit one message");
		return;
	}
	reply->message = message_make((uint8_t)COAP_RESPONSE_CODE(code));
	reply->message.content_format = COAP_MEDIATYPE_APPLICATION_DOTS_CBOR;
	reply->message.payload = (struct slice){reply->body, (size_t)length};
}

static void answer_mitigation(
	struct reply *reply, unsigned code, const struct mitigation_body *body)
{
	answer_cbor(reply, code, codec_write_mitigations(body, 1, reply->body, reply->room));
}

// The targets that both name, and the request that has them already.
static void answer_overlap(
	struct reply *reply, const struct mitigation *winner, const struct scope *scope)
{
	struct mitigation_body body = {.conflict = {
					       .cause = CAUSE_OVERLAPPING_TARGETS,
					       .has_mid = true,
					       .mid = winner->mid,
				       }};
	struct ipprefix common[SCOPE_LIST_MAX];

	for (unsigned i = 0; i < winner->scope.targets; i++) {
		for (unsigned j = 0; j < scope->targets; j++) {
			if (!ipprefix_overlaps(&winner->scope.target[i], &scope->target[j]))
				continue;
			common[body.conflict.targets++] = winner->scope.target[i];
			break;
		}
	}
	body.conflict.target = common;
	answer_mitigation(reply, 409, &body);
}

static void answer_put(struct reply *reply, enum put_outcome outcome, const struct put *put,
	const struct mitigation *m, const struct err *err)
{
	struct mitigation_body body = {0};

	switch (outcome) {
	case PUT_CREATED:
	case PUT_REFRESHED:
		body.has_mid = true;
		body.mid = m->mid;
		body.has_lifetime = true;
		body.lifetime = m->lifetime;
		// MR-35: pending, and the status says so
		body.status = m->phase == PHASE_ASKED ? STATUS_IN_PROGRESS : 0;
		answer_mitigation(reply, outcome == PUT_CREATED ? 201 : 204, &body);
		break;
	case PUT_DIFFERS:
		reply_refuse(reply, 400, "mid %u is in use for other sources or targets", put->mid);
		break;
	case PUT_UNKNOWN: // silence (RFC 9132 section 4.4.3)
		break;
	case PUT_CUID_TAKEN: // the cause, and nothing else (RFC 9132 section 4.4.1.3)
		body.conflict.cause = CAUSE_CUID_COLLISION;
		answer_mitigation(reply, 409, &body);
		break;
	case PUT_OVERLAPS:
		answer_overlap(reply, m, &put->body->scope);
		break;
	case PUT_LEGITIMATE: // MR-32: this, and nothing else
		body.conflict.cause = CAUSE_LEGITIMATE_TRAFFIC;
		answer_mitigation(reply, 409, &body);
		break;
	case PUT_REFUSED:
		reply_refuse(reply, 400, "%s", err->text);
		break;
	case PUT_FULL: // never with an alternate server (RFC 9066 section 5.2.2)
		reply_refuse(reply, 503, "%s", err->text);
		reply->message.max_age = RETRY_SECONDS;
		break;
	}
}

// ------------------------------------------------------------------ mitigate

// GW-03: what is left of a request's Hop-Limit when it is relayed; 0: it goes in circles (RFC 8768).
static uint8_t hops_left(const struct message *m)
{
	return m->hop_limit == MESSAGE_ABSENT ? HOP_LIMIT - 1 : (uint8_t)(m->hop_limit - 1);
}

// What a refusal in CBOR means; a diagnostic says it itself.
static const char *conflict_text(enum put_outcome outcome)
{
	switch (outcome) {
	case PUT_CUID_TAKEN:
		return "the cuid is another upstream's";
	case PUT_OVERLAPS:
		return "it overlaps a request with a higher mid";
	default:
		return "the traffic is legitimate";
	}
}

// Tells of a request that has been answered by an error.
static void tell_refused(struct signal *signal, const struct resource *resource,
	const struct scope *scope, const struct reply *reply, enum put_outcome outcome)
{
	const struct message *m = &reply->message;
	struct remark remark = {.cuid = resource->cuid, .mid = resource->mid, .scope = scope};
	struct err reason;
	char code[5];

	if (COAP_RESPONSE_CLASS(m->code) < 4)
		return;
	if (m->content_format == MESSAGE_ABSENT)
		err_set(&reason, "%s %.*s", code_format(m->code, code), (int)m->payload.length,
			(const char *)m->payload.data);
	else
		err_set(&reason, "%s %s", code_format(m->code, code), conflict_text(outcome));
	remark.reason = reason.text;
	mitigations_refused(signal->all, &signal->owner, &remark);
}

static void put_body(struct signal *signal, const struct message *m,
	const struct resource *resource, struct mitigation_body *body, struct reply *reply)
{
	struct put put = {
		.owner = &signal->owner,
		.cuid = resource->cuid,
		.mid = resource->mid,
		.hop_limit = hops_left(m),
		.body = body,
		.efficacy = m->if_match,
	};
	enum put_outcome outcome = PUT_REFUSED;
	struct mitigation *mitigation = NULL;
	struct err err = {""};

	if (validate_request(body, put.efficacy, &err) == 0)
		outcome = mitigation_put(signal->all, &put, &mitigation, &err);
	answer_put(reply, outcome, &put, mitigation, &err);
	tell_refused(signal, resource, &body->scope, reply, outcome);
}

// Whether a request may be read: its options are as they have to be.
static bool can_be_read(const struct signal *signal, const struct message *m,
	const struct resource *resource, struct reply *reply)
{
	if (!resource->has_mid) {
		reply_refuse(reply, 400, "the path needs a mid");
		return false;
	}
	if (m->if_match && !m->if_match_empty) { // we give no ETag that could match
		reply_refuse(reply, 412, "If-Match is empty in an efficacy update");
		return false;
	}
	if (m->hop_limit == 0) {
		reply_refuse(reply, 400, "Hop-Limit is 0"); // RFC 8768 section 3
		return false;
	}
	if (hops_left(m) == 0 && signal->owner.policy.relay != RELAY_BOX) {
		reply_refuse(reply, 508, "%s", signal->owner.policy.name);
		return false;
	}
	if (m->content_format != COAP_MEDIATYPE_APPLICATION_DOTS_CBOR) {
		reply_refuse(reply, 415, "Content-Format is not 271, application/dots+cbor");
		return false;
	}
	return true;
}

static void put_mitigation(struct signal *signal, const struct message *m,
	const struct resource *resource, struct reply *reply)
{
	struct mitigation_body *body;
	unsigned count;
	struct err err;
	int rc;

	if (!can_be_read(signal, m, resource, reply)) {
		tell_refused(signal, resource, NULL, reply, PUT_REFUSED);
		return;
	}
	rc = codec_read_mitigations(m->payload.data, m->payload.length, true, &body, &count, &err);
	if (rc == -ENOMEM) {
		reply_refuse(reply, 503, "out of memory");
		reply->message.max_age = RETRY_SECONDS;
	} else if (rc < 0) {
		reply_refuse(reply, 400, "%s", err.text);
	} else {
		put_body(signal, m, resource, body, reply);
		mitigation_bodies_free(body, count);
		return;
	}
	tell_refused(signal, resource, NULL, reply, PUT_REFUSED);
}

// What a GET gives: whole, or in blocks if it does not fit, and what follows if it is observed.
static void answer_selection(struct signal *signal, const struct message *m,
	const struct selection *selection, struct reply *reply)
{
	uint8_t *body;
	int length = status_write_whole(selection, &body);

	if (length == -ENOENT) {
		reply_refuse(reply, 404, "no such mitigation");
		return;
	}
	if (length < 0) {
		reply_refuse(reply, 503, "%s",
			length == -EMSGSIZE ? "too many for one answer: ask for each by its mid"
					    : "out of memory");
		reply->message.max_age = RETRY_SECONDS;
		return;
	}
	blocks_answer(&signal->blocks, m, body, (size_t)length, reply);
	if (reply->message.code == COAP_RESPONSE_CODE(205) && m->observe == COAP_OBSERVE_ESTABLISH)
		reply->message.observe = observers_add(&signal->observers, m, selection);
}

static void get_mitigation(struct signal *signal, const struct message *m,
	const struct resource *resource, struct reply *reply)
{
	struct selection selection = {
		.all = signal->all,
		.owner = &signal->owner,
		.cuid = resource->cuid,
		.has_mid = resource->has_mid,
		.mid = resource->mid,
	};

	if (m->observe == COAP_OBSERVE_CANCEL)
		observers_remove(&signal->observers, m->token, m->token_length);
	answer_selection(signal, m, &selection, reply);
}

static void delete_mitigation(
	struct signal *signal, const struct resource *resource, struct reply *reply)
{
	struct mitigation *m;

	if (!resource->has_mid) {
		reply_refuse(reply, 400, "the path needs a mid");
		return;
	}
	m = mitigation_find(signal->all, &signal->owner, resource->cuid, resource->mid);
	if (m)
		mitigation_withdraw(m);
	// also for one that does not exist (RFC 9132 section 4.4.4)
	reply->message = message_make(COAP_RESPONSE_CODE(202));
}

static void mitigate(struct signal *signal, const struct message *m,
	const struct resource *resource, struct reply *reply)
{
	switch (m->code) {
	case COAP_REQUEST_PUT:
		put_mitigation(signal, m, resource, reply);
		break;
	case COAP_REQUEST_GET:
		get_mitigation(signal, m, resource, reply);
		break;
	case COAP_REQUEST_DELETE:
		delete_mitigation(signal, resource, reply);
		break;
	default:
		reply_refuse(reply, 405, "mitigate takes PUT, GET and DELETE");
		break;
	}
}

// ------------------------------------------------------------------ config

static void agreement_ends(struct timer *timer)
{
	apply_config(CONTAINER_OF(timer, struct signal, config_timer));
}

// CF-04: what has been agreed is in force from now on, and so is the set for the time of an attack
// while there is one.
static void apply_config(struct signal *signal)
{
	const struct config_set *set =
		config_set(&signal->config, owner_has_attack(&signal->owner));

	if (!signal->exchange)
		return;
	if (signal->config.ends != UINT64_MAX && signal->config.ends > clock_now())
		timer_set(signal->loop, &signal->config_timer, signal->config.ends, agreement_ends);
	if (!config_has_changed(&signal->config, set))
		return;
	heartbeat_configure(signal->heartbeat, set);
	exchange_set_timing(signal->exchange,
		&(struct exchange_timing){
			.ack_timeout_ms = 10 * (uint32_t)set->setting[SETTING_ACK_TIMEOUT].current,
			.ack_random_factor =
				(uint32_t)set->setting[SETTING_ACK_RANDOM_FACTOR].current,
			.max_retransmit = (uint16_t)set->setting[SETTING_MAX_RETRANSMIT].current,
		});
}

static void put_config(struct signal *signal, const struct message *m,
	const struct resource *resource, struct reply *reply)
{
	struct config_body body;
	struct err err;
	unsigned code;

	if (!resource->has_sid) {
		reply_refuse(reply, 400, "the path needs a sid");
	} else if (m->content_format != COAP_MEDIATYPE_APPLICATION_DOTS_CBOR) {
		reply_refuse(reply, 415, "Content-Format is not 271, application/dots+cbor");
	} else if (codec_read_config(m->payload.data, m->payload.length, true, &body, &err) < 0) {
		reply_refuse(reply, 400, "%s", err.text);
	} else {
		code = config_put(&signal->config, resource->sid, &body, &err);
		if (code >= 400)
			reply_refuse(reply, code, "%s", err.text);
		else
			reply->message = message_make((uint8_t)COAP_RESPONSE_CODE(code));
	}
}

static void get_config(struct signal *signal, const struct message *m,
	const struct resource *resource, struct reply *reply)
{
	struct selection selection = {.config = &signal->config};

	if (m->observe == COAP_OBSERVE_CANCEL)
		observers_remove(&signal->observers, m->token, m->token_length);
	if (resource->has_sid && !config_refresh(&signal->config, resource->sid)) {
		reply_refuse(reply, 404, "no configuration has been agreed under this sid");
		return;
	}
	answer_selection(signal, m, &selection, reply);
	if (reply->message.code == COAP_RESPONSE_CODE(205))
		reply->message.max_age = config_max_age(&signal->config);
}

static void config(struct signal *signal, const struct message *m, const struct resource *resource,
	struct reply *reply)
{
	switch (m->code) {
	case COAP_REQUEST_PUT:
		put_config(signal, m, resource, reply);
		break;
	case COAP_REQUEST_GET:
		get_config(signal, m, resource, reply);
		break;
	case COAP_REQUEST_DELETE: // with or without a sid (RFC 9132 section 4.5.4)
		config_reset(&signal->config);
		reply->message = message_make(COAP_RESPONSE_CODE(202));
		break;
	default:
		reply_refuse(reply, 405, "config takes PUT, GET and DELETE");
		break;
	}
}

// ------------------------------------------------------------------ redirect

// CH-26, CH-27
static void redirect(struct signal *signal, const struct message *m, struct reply *reply)
{
	struct redirect_body body = {0};
	struct err err;

	if (m->code != COAP_REQUEST_PUT)
		reply_refuse(reply, 405, "/redirect takes PUT");
	else if (m->content_format != COAP_MEDIATYPE_APPLICATION_DOTS_CBOR)
		reply_refuse(reply, 415, "Content-Format is not 271, application/dots+cbor");
	else if (codec_read_redirect(m->payload.data, m->payload.length, &body, &err) < 0 ||
		signal->redirect(signal, &body, &err) < 0)
		reply_refuse(reply, 400, "%s", err.text);
	else
		reply->message = message_make(COAP_RESPONSE_CODE(201));
	free(body.record);
}

// ------------------------------------------------------------------ all of them

static void dispatch(struct signal *signal, const struct message *m, struct reply *reply)
{
	struct resource resource;

	if (m->accept != MESSAGE_ABSENT && m->accept != COAP_MEDIATYPE_APPLICATION_DOTS_CBOR) {
		reply_refuse(reply, 406, "there is nothing but Content-Format 271 here");
		return;
	}
	if (!resource_read(m, &resource, reply) || blocks_go_on(&signal->blocks, m, reply))
		return;
	if (resource.kind == RESOURCE_MITIGATE)
		mitigate(signal, m, &resource, reply);
	else if (resource.kind == RESOURCE_CONFIG)
		config(signal, m, &resource, reply);
	else if (resource.kind == RESOURCE_REDIRECT)
		redirect(signal, m, reply);
	else
		heartbeat_request(signal->heartbeat, m, reply);
}

void signal_request(struct signal *signal, const struct message *m, struct reply *reply)
{
	char code[5];

	signal->requests++;
	dispatch(signal, m, reply);
	apply_config(signal);
	if (COAP_RESPONSE_CLASS(reply->message.code) < 4)
		return;
	signal->refused++;
	log_info("dots", "%s: answered %s %.*s", signal->owner.policy.name,
		code_format(reply->message.code, code),
		reply->message.content_format == MESSAGE_ABSENT ? (int)reply->message.payload.length
								: 0,
		(const char *)reply->message.payload.data);
}
