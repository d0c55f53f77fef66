// SPDX-License-Identifier: BSD-3-Clause

// A request is judged in this order, and the first failure answers: CoAP options (exchange.c), path,
// authorisation, CBOR (cborio.c), schema (schema.c, decode.c), semantics (validate.c), policy
// (mitigation.c, enforce.c). Who speaks here has been authenticated by (D)TLS and is one configured
// upstream, so what is left of authorisation is that it sees its own mitigations only.

#include "dots/signal.h"

#include "base/bits.h"
#include "base/log.h"
#include "dots/validate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// when to come back to a server that is full (RFC 9132 section 4.4.1.3)
#define RETRY_SECONDS 60
// "never expires": the configuration cannot change while the session stands (RFC 9132
// section 4.5.3); who wants to know again asks again
#define CONFIG_MAX_AGE UINT32_MAX

// A path, taken apart.
struct resource {
	enum { RESOURCE_MITIGATE, RESOURCE_CONFIG, RESOURCE_HB, RESOURCE_REDIRECT } kind;
	char cuid[CUID_MAX + 1]; // empty: not there
	bool has_mid;
	uint32_t mid;
	bool has_sid;
	uint32_t sid;
};

static void mitigation_is_ending(struct owner *owner, const struct mitigation *mitigation)
{
	observers_ending(&CONTAINER_OF(owner, struct signal, owner)->observers, mitigation);
}

void signal_init(struct signal *signal, struct evloop *loop, struct mitigations *all,
	const struct policy *policy, const struct config_body *config)
{
	*signal = (struct signal){
		.owner = {.policy = *policy, .ending = mitigation_is_ending},
		.loop = loop,
		.all = all,
		.config = *config,
	};
}

void signal_end(struct signal *signal)
{
	signal_detach(signal);
	mitigations_drop(signal->all, &signal->owner);
}

void signal_attach(struct signal *signal, struct exchange *exchange, struct heartbeat *heartbeat)
{
	signal->heartbeat = heartbeat;
	observers_start(&signal->observers, signal->loop, exchange, signal->all, &signal->owner);
}

void signal_detach(struct signal *signal)
{
	observers_stop(&signal->observers);
	signal->heartbeat = NULL;
}

void signal_reset(struct signal *signal, const uint8_t *token, uint8_t token_length)
{
	observers_remove(&signal->observers, token, token_length);
}

// ------------------------------------------------------------------ the path

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

static bool read_path(const struct message *m, struct resource *resource, struct reply *reply)
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

static void put_body(struct signal *signal, const struct message *m,
	const struct resource *resource, struct mitigation_body *body, struct reply *reply)
{
	struct put put = {
		.owner = &signal->owner,
		.cuid = resource->cuid,
		.mid = resource->mid,
		.body = body,
		.efficacy = m->if_match,
	};
	struct mitigation *mitigation;
	enum put_outcome outcome;
	struct err err = {""};

	if (validate_request(body, put.efficacy, &err) < 0) {
		reply_refuse(reply, 400, "%s", err.text);
		return;
	}
	outcome = mitigation_put(signal->all, &put, &mitigation, &err);
	answer_put(reply, outcome, &put, mitigation, &err);
}

static void put_mitigation(struct signal *signal, const struct message *m,
	const struct resource *resource, struct reply *reply)
{
	struct mitigation_body *body;
	unsigned count;
	struct err err;
	int rc;

	if (!resource->has_mid) {
		reply_refuse(reply, 400, "the path needs a mid");
		return;
	}
	if (m->if_match && !m->if_match_empty) { // we give no ETag that could match
		reply_refuse(reply, 412, "If-Match is empty in an efficacy update");
		return;
	}
	if (m->content_format != COAP_MEDIATYPE_APPLICATION_DOTS_CBOR) {
		reply_refuse(reply, 415, "Content-Format is not 271, application/dots+cbor");
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
	}
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
	int length = status_write(&selection, reply->body, reply->room);

	if (m->observe == COAP_OBSERVE_CANCEL)
		observers_remove(&signal->observers, m->token, m->token_length);
	if (length == -ENOENT) {
		reply_refuse(reply, 404, "no such mitigation");
		return;
	}
	answer_cbor(reply, 205, length);
	if (length >= 0 && m->observe == COAP_OBSERVE_ESTABLISH)
		reply->message.observe = observers_add(&signal->observers, m, &selection);
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
		mitigation_end(m, STATUS_TERMINATED);
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

// The defaults are in force and nothing can be negotiated. So a PUT is not allowed here, while a
// DELETE, which asks for the defaults (RFC 9132 section 4.5.4), finds its wish fulfilled.
static void config(struct signal *signal, const struct message *m, const struct resource *resource,
	struct reply *reply)
{
	if (m->code == COAP_REQUEST_DELETE) {
		reply->message = message_make(COAP_RESPONSE_CODE(202));
	} else if (m->code != COAP_REQUEST_GET) {
		reply_refuse(reply, 405, "the session configuration cannot be changed here");
	} else if (resource->has_sid) {
		reply_refuse(reply, 404, "no configuration has been agreed under this sid");
	} else {
		answer_cbor(
			reply, 205, codec_write_config(&signal->config, reply->body, reply->room));
		if (reply->message.code == COAP_RESPONSE_CODE(205))
			reply->message.max_age = CONFIG_MAX_AGE;
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

// A client may ask for its answer in blocks. We give the first, if it is the only one (RFC 7959
// section 2.4).
static bool take_block(const struct message *m, struct reply *reply)
{
	unsigned size_exponent = m->block2 & 7;

	if (m->block2 == MESSAGE_ABSENT)
		return true;
	if (size_exponent == 7 || m->block2 >> 4 != 0) {
		reply_refuse(reply, 400, "Block2: there is no such block");
		return false;
	}
	if (reply->room > (size_t)16 << size_exponent)
		reply->room = (size_t)16 << size_exponent;
	return true;
}

static void dispatch(struct signal *signal, const struct message *m, struct reply *reply)
{
	struct resource resource;

	if (m->accept != MESSAGE_ABSENT && m->accept != COAP_MEDIATYPE_APPLICATION_DOTS_CBOR) {
		reply_refuse(reply, 406, "there is nothing but Content-Format 271 here");
		return;
	}
	if (!take_block(m, reply) || !read_path(m, &resource, reply))
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
	if (COAP_RESPONSE_CLASS(reply->message.code) < 4)
		return;
	signal->refused++;
	log_info("dots", "%s: answered %s %.*s", signal->owner.policy.name,
		code_format(reply->message.code, code),
		reply->message.content_format == MESSAGE_ABSENT ? (int)reply->message.payload.length
								: 0,
		(const char *)reply->message.payload.data);
}
