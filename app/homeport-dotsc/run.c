// SPDX-License-Identifier: BSD-3-Clause

// One command after the other: each is read when the one before is through, so a script that is
// typed in can react to what it sees.

#include "base/bits.h"
#include "base/clock.h"
#include "dots/validate.h"

#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_idle(struct timer *timer);

static uint64_t timeout_ns(const struct client *client)
{
	return client->options.timeout_s * CLOCK_SECOND;
}

static void finish(struct client *client)
{
	timer_stop(client->loop, &client->timer);
	if (client->has_command)
		command_free(&client->command);
	client->has_command = false;
	client->waiting = NULL;
	client->state = RUN_IDLE;
	// from the loop, so that a long script does not become a deep stack
	timer_set(client->loop, &client->timer, clock_now(), on_idle);
}

// It cannot be sent as it is.
static void refuse(struct client *client, const char *why)
{
	print_error(&client->command, why);
	client->result = EXIT_REFUSED;
	finish(client);
}

static void on_timeout(struct timer *timer)
{
	struct client *client = CONTAINER_OF(timer, struct client, timer);

	if (client->command.verb != VERB_WAIT || client->command.event[0]) {
		print_timeout(&client->command);
		client->result = EXIT_NO_REPLY;
	}
	finish(client);
}

static void wait_for(struct client *client, enum run_state state, uint64_t ns)
{
	client->state = state;
	timer_set(client->loop, &client->timer, clock_now() + ns, on_timeout);
}

// ------------------------------------------------------------------ making requests

static const char *cuid_of(const struct client *client)
{
	if (client->command.cuid[0])
		return client->command.cuid;
	return client->options.cuid ? client->options.cuid : credentials_cuid(client->credentials);
}

static struct request *request_find(const struct client *client, uint32_t mid)
{
	struct request *request = client->requests;

	while (request && request->mid != mid)
		request = request->next;
	return request;
}

// Keeps the request that is about to be sent. mids go up, never down, also when one was chosen by
// hand (RFC 9132 section 4.4.1.1).
static int request_keep(struct client *client, uint32_t mid)
{
	struct request *request = request_find(client, mid);

	if (!request) {
		request = calloc(1, sizeof(*request));
		if (!request)
			return -ENOMEM;
		request->next = client->requests;
		client->requests = request;
	}
	scope_free(&request->body.scope);
	request->mid = mid;
	request->body = client->command.body;
	client->command.body.scope = (struct scope){0};
	if (mid >= client->next_mid)
		client->next_mid = mid + 1;
	return 0;
}

// What RFC 9066 section 5.3.1 makes the client check before it sends.
static int check(const struct client *client, const struct mitigation_body *body, bool efficacy,
	struct err *err)
{
	const struct options *options = &client->options;

	if (options->unchecked)
		return 0;
	if (validate_request(body, efficacy, err) < 0)
		return -EINVAL;
	return validate_domain(&body->scope, options->domain, options->domains, err);
}

// The body of mitigate or refresh.
static int mitigation_payload(
	struct client *client, struct message *m, uint8_t *out, size_t room, struct err *err)
{
	struct command *c = &client->command;
	struct request *request;
	struct mitigation_body body;
	int length;

	if (c->raw)
		return 0;
	if (c->verb == VERB_MITIGATE) {
		if (!c->body.has_lifetime) {
			c->body.has_lifetime = true;
			c->body.lifetime = 3600; // RFC 9132 section 4.4.1 recommends it
		}
		if (check(client, &c->body, false, err) < 0)
			return -EINVAL;
		if (request_keep(client, c->mid) < 0)
			return err_set(err, "out of memory");
	}
	request = request_find(client, c->mid);
	if (!request)
		return err_set(err, "mid %u has not been requested from here", c->mid);
	if (c->verb == VERB_REFRESH && c->body.has_lifetime)
		request->body.lifetime = c->body.lifetime;
	body = request->body;
	body.attack_status = c->body.attack_status;
	if (c->verb == VERB_REFRESH && check(client, &body, body.attack_status != 0, err) < 0)
		return -EINVAL;
	m->if_match = body.attack_status != 0;
	length = codec_write_mitigations(&body, 1, out, room);
	if (length < 0)
		return err_set(err, "the request is too long: split it");
	m->payload = (struct slice){out, (size_t)length};
	return 0;
}

static void path_of_mitigation(struct client *client, struct question *question)
{
	struct command *c = &client->command;
	int used;

	used = snprintf(
		question->path, sizeof(question->path), "mitigate/cuid=%s", cuid_of(client));
	question->has_mid = !c->all;
	question->mid = c->mid;
	if (!c->all)
		snprintf(question->path + used, sizeof(question->path) - (size_t)used, "/mid=%u",
			c->mid);
}

static void choose_mid(struct client *client)
{
	struct command *c = &client->command;

	if (!c->has_mid)
		c->mid = c->verb == VERB_MITIGATE ? client->next_mid : client->last_mid;
	if (!c->all)
		client->last_mid = c->mid;
}

// An observation under way, of the same thing.
static const struct question *observation(const struct peer *peer, const char *path)
{
	for (const struct question *q = peer->questions; q; q = q->next) {
		if (q->observing && !strcmp(q->path, path))
			return q;
	}
	return NULL;
}

static int prepare_observe(struct client *client, const struct peer *peer,
	const struct question *question, struct message *m, struct err *err)
{
	const struct question *running = observation(peer, question->path);

	m->observe = client->command.cancel ? COAP_OBSERVE_CANCEL : COAP_OBSERVE_ESTABLISH;
	if (!running && client->command.cancel)
		return err_set(err, "nothing of the kind is being observed");
	if (!running)
		return 0;
	// the same token, to renew it or to end it (RFC 7641 sections 3.1 and 3.6)
	m->token_length = running->token_length;
	memcpy(m->token, running->token, running->token_length);
	return 0;
}

// GET, or observation, PUT or DELETE of the session configuration (RFC 9132 section 4.5).
static int prepare_config(struct client *client, const struct peer *peer, struct question *question,
	struct message *m, uint8_t *out, size_t room, struct err *err)
{
	struct command *c = &client->command;
	int length;

	if (c->has_sid)
		snprintf(question->path, sizeof(question->path), "config/sid=%u", c->sid);
	else
		strcpy(question->path, "config");
	if (c->reset)
		m->code = COAP_REQUEST_DELETE;
	if (c->observing || c->cancel)
		return prepare_observe(client, peer, question, m, err);
	if (!c->sets)
		return 0;
	m->code = COAP_REQUEST_PUT;
	length = codec_write_config(&c->config, out, room);
	m->payload = (struct slice){out, (size_t)length};
	return 0;
}

// Fills in method, path and body of what the command asks.
static int prepare(struct client *client, const struct peer *peer, struct question *question,
	struct message *m, uint8_t *out, size_t room, struct err *err)
{
	struct command *c = &client->command;
	int rc;

	m->code = COAP_REQUEST_GET;
	m->type = c->confirmable ? COAP_MESSAGE_CON : COAP_MESSAGE_NON;
	m->content_format = c->content_format;
	choose_mid(client);
	switch (c->verb) {
	case VERB_MITIGATE:
	case VERB_REFRESH:
		m->code = COAP_REQUEST_PUT;
		path_of_mitigation(client, question);
		return mitigation_payload(client, m, out, room, err);
	case VERB_WITHDRAW:
		m->code = COAP_REQUEST_DELETE;
		path_of_mitigation(client, question);
		return 0;
	case VERB_GET:
		path_of_mitigation(client, question);
		return 0;
	case VERB_OBSERVE:
		path_of_mitigation(client, question);
		return prepare_observe(client, peer, question, m, err);
	case VERB_CONFIG:
		m->type = COAP_MESSAGE_CON; // CF-08
		return prepare_config(client, peer, question, m, out, room, err);
	case VERB_REDIRECT:
		m->code = COAP_REQUEST_PUT;
		// the path of RFC 9066's figure 9
		snprintf(question->path, sizeof(question->path), "redirect/cuid=%s/mid=%u",
			cuid_of(client), c->mid);
		rc = codec_write_redirect(&c->redirect, out, room);
		if (rc < 0 || !c->redirect.name[0])
			return err_set(err, "redirect needs a name, and few addresses");
		m->payload = (struct slice){out, (size_t)rc};
		return 0;
	case VERB_HEARTBEAT:
		m->code = COAP_REQUEST_PUT;
		strcpy(question->path, "hb");
		m->payload.data = out;
		m->payload.length = (size_t)codec_write_heartbeat(
			c->has_status ? c->status : peer->heartbeat.peer_at != 0, out, room);
		return 0;
	case VERB_SEND:
		m->code = c->method;
		m->observe = c->observe;
		m->if_match = c->if_match;
		snprintf(question->path, sizeof(question->path), "%s", c->path);
		return 0;
	case VERB_WAIT:
		break;
	}
	return err_set(err, "not a request");
}

static void ask(struct client *client, struct peer *peer)
{
	struct question *question = calloc(1, sizeof(*question));
	struct message m = message_make(0);
	struct command *c = &client->command;
	char segments[600];
	uint8_t body[16384];
	struct err err;
	int rc;

	if (!question) {
		refuse(client, "out of memory");
		return;
	}
	question->command = c->name;
	if (prepare(client, peer, question, &m, body, sizeof(body), &err) < 0) {
		free(question);
		refuse(client, err.text);
		return;
	}
	if (c->raw)
		m.payload = (struct slice){c->raw, c->raw_length};
	if (m.payload.length && m.content_format == MESSAGE_ABSENT)
		m.content_format = COAP_MEDIATYPE_APPLICATION_DOTS_CBOR;
	question_path(question, &m, segments, sizeof(segments));
	client->waiting = question;
	client->state = RUN_WAITING_ANSWER; // the exchange watches the time
	rc = peer_ask(peer, question, &m);
	if (rc == 0)
		return;
	client->waiting = NULL;
	refuse(client,
		rc == -EMSGSIZE ? "the request does not fit a message: split it" : strerror(-rc));
}

// ------------------------------------------------------------------ one after the other

static void execute(struct client *client)
{
	struct peer *peer = client_peer(client);
	struct command *c = &client->command;

	if (c->verb == VERB_WAIT && !c->event[0]) {
		wait_for(client, RUN_WAITING_EVENT, c->seconds * CLOCK_SECOND);
	} else if (c->verb == VERB_WAIT) {
		// what is the case already need not happen again
		if ((!strcmp(c->event, "up") && peer) || (!strcmp(c->event, "down") && !peer))
			finish(client);
		else
			wait_for(client, RUN_WAITING_EVENT, timeout_ns(client));
	} else if (peer) {
		ask(client, peer);
	} else {
		wait_for(client, RUN_WAITING_SESSION, timeout_ns(client));
	}
}

static void take_words(struct client *client, char **words, unsigned count)
{
	struct err err;

	client->has_command = true;
	if (command_parse(words, count, &client->command, &err) < 0) {
		refuse(client, err.text);
		return;
	}
	execute(client);
}

// Reads the next line that is not empty.
static void run_next(struct client *client)
{
	char line[LINE_MAX_BYTES], *words[WORDS_MAX + 1];
	int count = 0;

	if (client->state != RUN_IDLE)
		return;
	if (client->options.command_words && !client->single_done) {
		client->single_done = true;
		take_words(client, client->options.command, client->options.command_words);
		return;
	}
	do {
		switch (script_next(&client->script, line)) {
		case SCRIPT_LATER:
			return;
		case SCRIPT_END:
			client->state = RUN_DONE;
			return;
		case SCRIPT_TOO_LONG:
			count = -1;
			break;
		case SCRIPT_LINE:
			count = line_split(line, words);
			break;
		}
		if (count < 0) {
			print_error(NULL, "a line is too long");
			client->result = EXIT_REFUSED;
		}
	} while (count <= 0);
	take_words(client, words, (unsigned)count);
}

static void on_idle(struct timer *timer)
{
	run_next(CONTAINER_OF(timer, struct client, timer));
}

static void on_line(void *ctx)
{
	run_next(ctx);
}

void run_start(struct client *client)
{
	struct err err;

	client->result = EXIT_NO_REPLY;
	// higher than those of an earlier run, and far below the roll-over at 3/4 of the range
	client->next_mid = (uint32_t)(clock_unix_ms() / 1000);
	if (script_open(&client->script, client->loop, client->options.script, on_line, client,
		    &err) < 0) {
		print_error(NULL, err.text);
		client->result = EXIT_REFUSED;
	}
	run_next(client);
}

void run_event(struct client *client, const char *event)
{
	if (client->state == RUN_WAITING_EVENT && !strcmp(client->command.event, event))
		finish(client);
}

void run_ready(struct client *client)
{
	if (client->state != RUN_WAITING_SESSION)
		return;
	timer_stop(client->loop, &client->timer);
	client->state = RUN_IDLE;
	execute(client);
}

void run_answered(
	struct client *client, const struct question *question, const struct message *message)
{
	static const int result[] = {[2] = EXIT_REPLY_2, [4] = 4, [5] = 5};

	if (question != client->waiting)
		return;
	client->result = message ? result[COAP_RESPONSE_CLASS(message->code)] : EXIT_NO_REPLY;
	finish(client);
}

void run_end(struct client *client)
{
	struct request *request;

	client->state = RUN_DONE;
	client->waiting = NULL;
	timer_stop(client->loop, &client->timer);
	if (client->has_command)
		command_free(&client->command);
	client->has_command = false;
	while ((request = client->requests)) {
		client->requests = request->next;
		scope_free(&request->body.scope);
		free(request);
	}
	script_close(&client->script);
}
