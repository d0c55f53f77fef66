// SPDX-License-Identifier: BSD-3-Clause

#include "base/clock.h"
#include "dots/json.h"

#include "client.h"

#include <stdio.h>
#include <string.h>

// Times are readings of the monotonic clock in nanoseconds, so that they can be compared with those
// of other programs on the same machine.
static void print(json_t *line)
{
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(line);
}

static json_t *event(const char *name)
{
	return json_pack("{ss}", "event", name);
}

static void put(json_t *line, const char *name, json_t *value)
{
	json_object_set_new(line, name, value);
}

static void put_time(json_t *line, const char *name, uint64_t at)
{
	put(line, name, json_integer((json_int_t)at));
}

// A peer's text may be anything.
static json_t *text_of(const char *data, size_t length)
{
	json_t *text = json_stringn(data, length);

	return text ? text : json_string("(not UTF-8)");
}

static const char *transport_name(enum transport_kind kind)
{
	return kind == TRANSPORT_DTLS ? "dtls" : "tls";
}

void print_listening(const struct client *client)
{
	char text[IPADDR_TEXT];

	for (enum transport_kind kind = TRANSPORT_DTLS; kind <= TRANSPORT_TLS; kind++) {
		json_t *line;

		if (!client->listener[kind])
			continue;
		line = event("listening");
		put(line, "transport", json_string(transport_name(kind)));
		put(line, "address", json_string(ipaddr_format(&client->options.listen, text)));
		put(line, "port", json_integer(listener_port(client->listener[kind])));
		print(line);
	}
}

void print_session(const char *name, const struct peer *peer, const struct err *why)
{
	const struct transport_peer *who = transport_peer(peer->transport);
	json_t *line = event(name);
	char text[IPADDR_TEXT];

	put(line, "transport", json_string(transport_name(transport_kind(peer->transport))));
	put(line, "peer",
		json_pack("{ss si ss ss ss ss sb}", "address", ipaddr_format(&who->addr, text),
			"port", who->port, "name", who->name, "spki", who->spki, "version",
			who->version ? who->version : "", "cipher", who->cipher ? who->cipher : "",
			"resumed", who->resumed));
	if (why)
		put(line, "reason", text_of(why->text, strlen(why->text)));
	put_time(line, "time", clock_now());
	print(line);
}

// A handshake that came to nothing.
void print_refused(const struct ipaddr *addr, const struct err *why)
{
	json_t *line = event("refused");
	char text[IPADDR_TEXT];

	put(line, "address", json_string(ipaddr_format(addr, text)));
	put(line, "reason", text_of(why->text, strlen(why->text)));
	put_time(line, "time", clock_now());
	print(line);
}

static json_t *about(const struct question *question, const char *name)
{
	json_t *line = event(name);

	put(line, "command", json_string(question->command));
	if (question->automatic)
		put(line, "automatic", json_true());
	if (question->has_mid)
		put(line, "mid", json_integer(question->mid));
	return line;
}

static void put_payload(json_t *line, const struct message *m)
{
	json_t *body;
	struct err err;

	if (!m->payload.length)
		return;
	if (m->content_format != COAP_MEDIATYPE_APPLICATION_DOTS_CBOR) {
		put(line, "diagnostic", text_of((const char *)m->payload.data, m->payload.length));
		return;
	}
	body = json_from_body(m->payload.data, m->payload.length, &err);
	if (body)
		put(line, "body", body);
	else
		put(line, "malformed", json_string(err.text));
}

void print_answer(const struct question *question, const struct answer *answer)
{
	const struct message *m = answer->message;
	json_t *line =
		about(question, answer->kind == ANSWER_NOTIFICATION ? "notification" : "reply");
	char code[5];

	put(line, "code", json_string(code_format(m->code, code)));
	put_payload(line, m);
	if (m->observe != MESSAGE_ABSENT)
		put(line, "observe", json_integer(m->observe));
	if (m->max_age != MESSAGE_ABSENT)
		put(line, "max-age", json_integer(m->max_age));
	put(line, "confirmable", json_boolean(m->type == COAP_MESSAGE_CON));
	if (answer->kind == ANSWER_REPLY) {
		put_time(line, "first-sent", answer->first_sent);
		put_time(line, "sent", answer->last_sent);
		put(line, "sends", json_integer(answer->sends));
	}
	put_time(line, "received", answer->received);
	print(line);
}

void print_no_answer(const struct question *question, const char *name)
{
	json_t *line = about(question, name);

	put_time(line, "time", clock_now());
	print(line);
}

void print_heartbeat(const struct peer *peer, bool status)
{
	json_t *line = event("heartbeat");

	put(line, "peer",
		text_of(transport_peer(peer->transport)->name,
			strlen(transport_peer(peer->transport)->name)));
	put(line, "peer-hb-status", json_boolean(status));
	put_time(line, "received", clock_now());
	print(line);
}

void print_error(const struct command *command, const char *text)
{
	json_t *line = event("error");

	if (command && command->name)
		put(line, "command", json_string(command->name));
	put(line, "text", text_of(text, strlen(text)));
	print(line);
}

void print_timeout(const struct command *command)
{
	json_t *line = event("timeout");

	put(line, "command", json_string(command->name));
	if (command->event[0])
		put(line, "waiting-for", json_string(command->event));
	put_time(line, "time", clock_now());
	print(line);
}
