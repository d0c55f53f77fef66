// SPDX-License-Identifier: BSD-3-Clause

#include "client.h"

#include "base/clock.h"
#include "base/log.h"
#include "dots/configure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ------------------------------------------------------------------ questions

static void question_free(struct question *question)
{
	struct question **link = &question->peer->questions;

	while (*link != question)
		link = &(*link)->next;
	*link = question->next;
	transfer_end(question);
	free(question);
}

void question_path(
	const struct question *question, struct message *message, char *segments, size_t room)
{
	char *segment;

	snprintf(segments, room, ".well-known/dots/%s", question->path);
	while ((segment = strsep(&segments, "/")))
		message_add_path(message, segment);
}

// The one whose token a message brings; NULL if it brings none.
static struct question *question_with_token(const struct peer *peer, const struct message *message)
{
	struct question *question = message->token_length ? peer->questions : NULL;

	while (question &&
		(question->token_length != message->token_length ||
			memcmp(question->token, message->token, message->token_length)))
		question = question->next;
	return question;
}

static void config_answered(struct peer *peer, const struct message *m)
{
	struct config_body config;
	struct err err;

	if (m && m->code == COAP_RESPONSE_CODE(205)) {
		if (codec_read_config(m->payload.data, m->payload.length, false, &config, &err) < 0)
			log_warning("dots", "session configuration: %s", err.text);
		else
			configure(&config.idle, peer->exchange, &peer->heartbeat); // CH-18, CF-04
	}
	// whatever came of it, the session can be used
	if (!peer->ready) {
		peer->ready = true;
		run_ready(peer->client);
	}
}

void question_answered(struct question *question, const struct answer *answer)
{
	struct peer *peer = question->peer;
	struct client *client = peer->client;
	bool automatic = question->automatic;

	question->observing = answer->message && answer->message->observe != MESSAGE_ABSENT &&
		COAP_RESPONSE_CLASS(answer->message->code) == 2;
	if (answer->message)
		print_answer(question, answer);
	else
		print_no_answer(question, answer->kind == ANSWER_RESET ? "reset" : "timeout");
	if (answer->kind == ANSWER_NOTIFICATION)
		run_event(client, "notification");
	else if (automatic)
		config_answered(peer, answer->message);
	else
		run_answered(client, question, answer->message);
	if (!question->observing)
		question_free(question);
}

static void on_answer(void *ctx, const struct answer *answer)
{
	struct question *question = ctx;

	if (!transfer_is_wanted(answer) || !transfer_begin(question, answer))
		question_answered(question, answer);
}

int peer_ask(struct peer *peer, struct question *question, struct message *message)
{
	struct call call = {
		.timeout_ns = peer->client->options.timeout_s * CLOCK_SECOND,
		.fn = on_answer,
		.ctx = question,
	};
	struct question *former = question_with_token(peer, message);
	int rc = exchange_call(peer->exchange, message, &call);

	if (former) // the exchange has forgotten it
		question_free(former);
	question->peer = peer;
	question->token_length = message->token_length;
	memcpy(question->token, message->token, message->token_length);
	question->next = peer->questions;
	peer->questions = question;
	if (rc < 0)
		question_free(question);
	return rc;
}

// ------------------------------------------------------------------ sessions

struct peer *client_peer(const struct client *client)
{
	struct peer *peer = client->peers;

	while (peer && !peer->ready)
		peer = peer->next;
	return peer;
}

// CH-16: GET /config comes before anything else (RFC 9066 section 5.2.1)
static void ask_config(struct peer *peer)
{
	struct question *question = calloc(1, sizeof(*question));
	struct message m = message_make(COAP_REQUEST_GET);
	char segments[64];

	if (!question)
		return;
	question->command = "config";
	question->automatic = true;
	strcpy(question->path, "config");
	m.type = COAP_MESSAGE_CON; // CF-08
	question_path(question, &m, segments, sizeof(segments));
	peer_ask(peer, question, &m);
}

static void peer_end(struct peer *peer, const struct err *why)
{
	struct client *client = peer->client;
	struct peer **link = &client->peers;
	struct question *question, *next;

	if (peer->exchange)
		print_session("down", peer, why);
	while (*link != peer)
		link = &(*link)->next;
	*link = peer->next;
	client->n_peers--;
	heartbeat_stop(&peer->heartbeat);
	exchange_free(peer->exchange);
	for (question = peer->questions; question; question = next) {
		next = question->next;
		if (question == client->waiting) {
			print_no_answer(question, "lost");
			run_answered(client, question, NULL);
		}
		transfer_free(question);
		free(question);
	}
	free(peer);
	run_event(client, "down");
}

static void peer_drop(struct peer *peer, const struct err *why)
{
	struct transport *transport = peer->transport;

	peer_end(peer, why);
	transport_close(transport);
}

static void on_lost(void *ctx)
{
	struct err why;

	err_set(&why, "heartbeats unanswered");
	peer_drop(ctx, &why);
}

static void on_request(void *ctx, const struct message *request, struct reply *reply)
{
	struct peer *peer = ctx;
	uint64_t before = peer->heartbeat.received;

	if (request->path_count < 3 || request->path_count > MESSAGE_PATH_MAX ||
		!slice_is(&request->path[0], ".well-known") ||
		!slice_is(&request->path[1], "dots") || !slice_is(&request->path[2], "hb")) {
		reply_refuse(reply, 404, "a DOTS client has /hb alone");
		return;
	}
	heartbeat_request(&peer->heartbeat, request, reply);
	if (peer->heartbeat.received == before)
		return;
	print_heartbeat(peer, peer->heartbeat.peer_status);
	run_event(peer->client, "heartbeat");
}

static void on_reset(void *, const uint8_t *, uint8_t)
{
	// nobody observes a client
}

static void on_ready(void *ctx)
{
	ask_config(ctx);
}

static void on_ended(void *ctx, const struct err *why)
{
	peer_drop(ctx, why);
}

static const struct exchange_events exchange_events = {on_request, on_reset, on_ready, on_ended};

static void *on_accept(void *ctx, struct transport *transport)
{
	struct client *client = ctx;
	struct peer *peer = client->n_peers < PEERS_MAX ? calloc(1, sizeof(*peer)) : NULL;

	if (!peer)
		return NULL;
	peer->client = client;
	peer->transport = transport;
	peer->next = client->peers;
	client->peers = peer;
	client->n_peers++;
	return peer;
}

static void on_up(void *ctx, struct transport *transport)
{
	struct peer *peer = ctx;
	struct err why;

	peer->exchange = exchange_new(peer->client->loop, transport, &exchange_events, peer);
	if (!peer->exchange) {
		err_set(&why, "out of memory");
		peer_drop(peer, &why);
		return;
	}
	heartbeat_start(&peer->heartbeat, peer->client->loop, peer->exchange, false, on_lost, peer);
	print_session("up", peer, NULL);
	if (exchange_ready(peer->exchange))
		ask_config(peer);
	run_event(peer->client, "up");
}

static void on_message(void *ctx, struct transport *, const uint8_t *data, size_t length)
{
	struct peer *peer = ctx;

	heartbeat_heard(&peer->heartbeat);
	exchange_receive(peer->exchange, data, length);
}

static void on_down(void *ctx, struct transport *, const struct err *why)
{
	peer_end(ctx, why);
}

static const struct transport_events transport_events = {on_up, on_message, on_down};

// ------------------------------------------------------------------ listening

static void on_failed(void *, const struct ipaddr *addr, bool, const struct err *why)
{
	print_refused(addr, why);
}

static const struct listener_gate gate = {.failed = on_failed};

static void stop_listening(struct client *client)
{
	for (unsigned i = 0; i < 2; i++) {
		listener_close(client->listener[i]);
		client->listener[i] = NULL;
	}
}

static int listen_on(struct client *client, uint16_t port, struct err *err)
{
	const struct options *options = &client->options;
	struct listener **listener = client->listener;

	if (options->dtls) {
		listener[TRANSPORT_DTLS] = dtls_listen(client->loop, client->credentials,
			&options->listen, port, &transport_events, on_accept, client, err);
		if (!listener[TRANSPORT_DTLS])
			return -EINVAL;
		listener_set_gate(listener[TRANSPORT_DTLS], &gate, client);
		port = listener_port(listener[TRANSPORT_DTLS]); // of port 0 both get the same
	}
	if (options->tls) {
		listener[TRANSPORT_TLS] = tls_listen(client->loop, client->credentials,
			&options->listen, port, &transport_events, on_accept, client, err);
		if (!listener[TRANSPORT_TLS])
			return -EINVAL;
		listener_set_gate(listener[TRANSPORT_TLS], &gate, client);
	}
	return 0;
}

int client_listen(struct client *client, struct err *err)
{
	// a port that is free for UDP may not be so for TCP
	unsigned tries = client->options.port ? 1 : 16;
	int rc;

	do {
		stop_listening(client);
		rc = listen_on(client, client->options.port, err);
	} while (rc < 0 && --tries);
	return rc;
}

void client_close(struct client *client)
{
	struct err why;

	err_set(&why, "the client ends");
	while (client->peers)
		peer_drop(client->peers, &why);
	stop_listening(client);
}
