// SPDX-License-Identifier: BSD-3-Clause

// The message layer of an association: two of them face to face over the fake transport, on a held
// clock.

#include "base/bits.h"
#include "base/clock.h"
#include "dots/exchange.h"
#include "dots/recent.h"

#include "fake_transport.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// One end: an exchange, and what its callbacks saw.
struct end {
	struct transport *transport;
	struct exchange *exchange;
	unsigned requests;
	unsigned silent; // so many requests are not answered
	struct message last_request;
	unsigned resets;
	unsigned answers[4]; // by kind
	uint8_t code;        // of the last answer
	struct answer last;
	char body[64];
	char ended[512];
};

static struct evloop *loop;
static struct credentials *credentials;
static struct listener *listener;
static struct end home, upstream; // home dials

struct sent {
	uint64_t at;
	uint8_t data[1300];
	size_t length;
};

static struct sent sent[2][400]; // by direction
static unsigned sents[2];

static void tap(enum fake_side towards, const uint8_t *data, size_t length)
{
	struct sent *s = &sent[towards][sents[towards]++];

	assert_true(sents[towards] <= ARRAY_LEN(sent[0]) && length <= sizeof(s->data));
	s->at = clock_now();
	s->length = length;
	memcpy(s->data, data, length);
}

static void on_request(void *ctx, const struct message *request, struct reply *reply)
{
	struct end *end = ctx;

	end->requests++;
	end->last_request = *request;
	if (end->silent) {
		end->silent--;
		return;
	}
	reply->message = message_make(COAP_RESPONSE_CODE(204));
	reply->message.payload = (struct slice){(const uint8_t *)"done", 4};
	if (request->observe == 0)
		reply->message.observe = 1;
}

static void on_reset(void *ctx, const uint8_t *, uint8_t)
{
	((struct end *)ctx)->resets++;
}

static void on_ready(void *)
{
}

static void on_ended(void *ctx, const struct err *why)
{
	struct end *end = ctx;

	snprintf(end->ended, sizeof(end->ended), "%s", why->text);
}

static const struct exchange_events exchange_events = {on_request, on_reset, on_ready, on_ended};

static void on_up(void *ctx, struct transport *transport)
{
	struct end *end = ctx;

	end->transport = transport;
	end->exchange = exchange_new(loop, transport, &exchange_events, end);
	assert_non_null(end->exchange);
}

static void on_message(void *ctx, struct transport *, const uint8_t *data, size_t length)
{
	exchange_receive(((struct end *)ctx)->exchange, data, length);
}

static void on_down(void *ctx, struct transport *, const struct err *)
{
	((struct end *)ctx)->transport = NULL;
}

static const struct transport_events transport_events = {on_up, on_message, on_down};

static void *on_accept(void *ctx, struct transport *)
{
	return ctx;
}

static void settle(void)
{
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(evloop_turn(loop, 0), 0);
}

static void pass(unsigned seconds)
{
	for (unsigned i = 0; i < seconds * 10; i++) {
		clock_advance(CLOCK_SECOND / 10);
		settle();
	}
}

static void connect_ends(enum transport_kind kind)
{
	struct credentials_files files = {.certificate = "upstream.example"};
	struct dial dial = {.port = 4647, .server_name = "upstream.example"};

	memset(&home, 0, sizeof(home));
	memset(&upstream, 0, sizeof(upstream));
	memset(sents, 0, sizeof(sents));
	fake_reset(loop);
	fake_tap = tap;
	ipaddr_parse("192.0.2.1", &dial.addr);
	credentials = credentials_load(&files, NULL);
	listener = (kind == TRANSPORT_DTLS ? dtls_listen : tls_listen)(loop, credentials,
		&dial.addr, dial.port, &transport_events, on_accept, &upstream, NULL);
	(kind == TRANSPORT_DTLS ? dtls_dial : tls_dial)(
		loop, credentials, &dial, &transport_events, &home, NULL);
	settle();
	assert_non_null(home.exchange);
	assert_non_null(upstream.exchange);
}

static int over_dtls(void **)
{
	connect_ends(TRANSPORT_DTLS);
	return 0;
}

static int over_tls(void **)
{
	connect_ends(TRANSPORT_TLS);
	return 0;
}

static int disconnect(void **)
{
	exchange_free(home.exchange);
	exchange_free(upstream.exchange);
	fake_reset(loop);
	credentials_free(credentials);
	settle();
	return 0;
}

static void on_answer(void *ctx, const struct answer *answer)
{
	struct end *end = ctx;

	end->answers[answer->kind]++;
	end->last = *answer;
	if (answer->message) {
		end->code = answer->message->code;
		snprintf(end->body, sizeof(end->body), "%.*s", (int)answer->message->payload.length,
			(const char *)answer->message->payload.data);
	}
}

static int ask(struct end *end, struct message *m, uint64_t seconds)
{
	struct call call = {.timeout_ns = seconds * CLOCK_SECOND, .fn = on_answer, .ctx = end};

	return exchange_call(end->exchange, m, &call);
}

static struct message put(uint8_t type)
{
	struct message m = message_make(COAP_REQUEST_PUT);

	m.type = type;
	message_add_path(&m, "hb");
	return m;
}

// Hands a datagram of our making to an exchange.
static void inject(struct end *end, const struct message *m)
{
	uint8_t out[1300];
	int length = message_build(m, transport_kind(end->transport), out, sizeof(out));

	assert_true(length > 0);
	exchange_receive(end->exchange, out, (size_t)length);
	settle();
}

static struct message last_sent(enum fake_side towards)
{
	const struct sent *s = &sent[towards][sents[towards] - 1];
	struct message m;

	assert_true(sents[towards] > 0);
	assert_int_equal(message_parse(&m, transport_kind(home.transport), s->data, s->length), 0);
	return m;
}

// ------------------------------------------------------------------ asking

// RFC 7252 section 5.2.3: a NON request is answered by a NON with the same token
static void non_request_and_reply(void **)
{
	struct message m = put(COAP_MESSAGE_NON);

	assert_int_equal(ask(&upstream, &m, 30), 0);
	settle();
	assert_int_equal(home.requests, 1);
	assert_int_equal(upstream.answers[ANSWER_REPLY], 1);
	assert_int_equal(upstream.code, COAP_RESPONSE_CODE(204));
	assert_string_equal(upstream.body, "done");
	assert_int_equal(last_sent(FAKE_TO_LISTENER).type, COAP_MESSAGE_NON);
	pass(30);
	assert_int_equal(sents[FAKE_TO_DIALLER], 1);
}

// MR-38: without an RTT estimate a request goes out at most once in 3 s, each time under a new
// message ID and the same token, until it is answered (RFC 9132 section 4.4)
static void non_request_is_repeated_once_in_3_s(void **)
{
	struct message m = put(COAP_MESSAGE_NON), first, second;

	fake_faults[FAKE_TO_LISTENER].blackhole = true; // requests arrive, replies do not
	assert_int_equal(ask(&upstream, &m, 30), 0);
	pass(29);
	assert_int_equal(sents[FAKE_TO_DIALLER], 10);
	for (unsigned i = 1; i < 10; i++)
		assert_true(sent[FAKE_TO_DIALLER][i].at - sent[FAKE_TO_DIALLER][i - 1].at >=
			3 * CLOCK_SECOND);
	message_parse(&first, TRANSPORT_DTLS, sent[FAKE_TO_DIALLER][0].data,
		sent[FAKE_TO_DIALLER][0].length);
	message_parse(&second, TRANSPORT_DTLS, sent[FAKE_TO_DIALLER][1].data,
		sent[FAKE_TO_DIALLER][1].length);
	assert_int_not_equal(first.id, second.id);
	assert_int_equal(first.token_length, second.token_length);
	assert_memory_equal(first.token, second.token, first.token_length);
	assert_int_equal(home.requests, 10);
	fake_faults[FAKE_TO_LISTENER].blackhole = false;
	pass(2);
	// the deadline came before the next repetition
	assert_int_equal(upstream.answers[ANSWER_NONE], 1);
	assert_int_equal(upstream.answers[ANSWER_REPLY], 0);
	assert_int_equal(upstream.last.sends, 10);
	pass(30);
	assert_int_equal(sents[FAKE_TO_DIALLER], 10);
}

static void a_lost_request_is_answered_after_its_repetition(void **)
{
	struct message m = put(COAP_MESSAGE_NON);

	fake_faults[FAKE_TO_DIALLER].drop = 2;
	assert_int_equal(ask(&upstream, &m, 30), 0);
	pass(7);
	assert_int_equal(home.requests, 1);
	assert_int_equal(upstream.answers[ANSWER_REPLY], 1);
	assert_int_equal(upstream.last.sends, 3);
	assert_int_equal(upstream.last.last_sent - upstream.last.first_sent, 6 * CLOCK_SECOND);
	pass(30);
	assert_int_equal(sents[FAKE_TO_DIALLER], 3);
}

static void once_means_once(void **)
{
	struct call call = {
		.timeout_ns = 30 * CLOCK_SECOND, .once = true, .fn = on_answer, .ctx = &upstream};
	struct message m = put(COAP_MESSAGE_NON);

	fake_faults[FAKE_TO_DIALLER].blackhole = true;
	assert_int_equal(exchange_call(upstream.exchange, &m, &call), 0);
	pass(31);
	assert_int_equal(sents[FAKE_TO_DIALLER], 1);
	assert_int_equal(upstream.answers[ANSWER_NONE], 1);
}

// RFC 7252 section 4.2 with the parameters of RFC 9132 section 4.5: four transmissions, each wait
// twice the one before, the first between 2 and 3 s; and the same message ID each time
static void con_request_is_retransmitted(void **)
{
	struct message m = put(COAP_MESSAGE_CON);
	uint64_t waited[3];

	fake_faults[FAKE_TO_DIALLER].blackhole = true;
	assert_int_equal(ask(&upstream, &m, 300), 0);
	pass(60);
	assert_int_equal(sents[FAKE_TO_DIALLER], 4);
	for (unsigned i = 0; i < 3; i++) {
		waited[i] = sent[FAKE_TO_DIALLER][i + 1].at - sent[FAKE_TO_DIALLER][i].at;
		assert_int_equal(sent[FAKE_TO_DIALLER][i].length, sent[FAKE_TO_DIALLER][3].length);
		assert_memory_equal(sent[FAKE_TO_DIALLER][i].data, sent[FAKE_TO_DIALLER][3].data,
			sent[FAKE_TO_DIALLER][3].length);
	}
	assert_in_range(waited[0], 2 * CLOCK_SECOND, 31 * CLOCK_SECOND / 10);
	assert_in_range(waited[1], 4 * CLOCK_SECOND, 62 * CLOCK_SECOND / 10);
	assert_in_range(waited[2], 8 * CLOCK_SECOND, 124 * CLOCK_SECOND / 10);
	assert_int_equal(upstream.answers[ANSWER_NONE], 1);
}

// The answer to a CON rides on its ACK (RFC 7252 section 5.2.1), and comes again, the same bytes,
// for each duplicate, while the request is processed once (section 4.5)
static void con_request_and_its_duplicates(void **)
{
	struct message m = put(COAP_MESSAGE_CON);

	fake_faults[FAKE_TO_DIALLER].duplicate = true;
	assert_int_equal(ask(&upstream, &m, 30), 0);
	settle();
	assert_int_equal(home.requests, 1);
	assert_int_equal(sents[FAKE_TO_LISTENER], 2);
	assert_int_equal(sent[FAKE_TO_LISTENER][0].length, sent[FAKE_TO_LISTENER][1].length);
	assert_memory_equal(sent[FAKE_TO_LISTENER][0].data, sent[FAKE_TO_LISTENER][1].data,
		sent[FAKE_TO_LISTENER][0].length);
	assert_int_equal(last_sent(FAKE_TO_LISTENER).type, COAP_MESSAGE_ACK);
	assert_int_equal(upstream.answers[ANSWER_REPLY], 1);
	pass(60);
	assert_int_equal(sents[FAKE_TO_DIALLER], 1);
}

// NSTART is 1 for what is confirmed (RFC 7252 section 4.7); a NON is not held back by it
static void one_con_at_a_time(void **)
{
	struct message m[3] = {put(COAP_MESSAGE_CON), put(COAP_MESSAGE_CON), put(COAP_MESSAGE_NON)};

	fake_faults[FAKE_TO_LISTENER].hold = true; // the answers
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(ask(&upstream, &m[i], 30), 0);
	settle();
	assert_int_equal(home.requests, 2);
	fake_release(false);
	settle();
	assert_int_equal(home.requests, 3);
	assert_int_equal(upstream.answers[ANSWER_REPLY], 3);
}

// One that waits for another does not wait longer than it may
static void a_con_may_run_out_of_time_unsent(void **)
{
	struct message m[2] = {put(COAP_MESSAGE_CON), put(COAP_MESSAGE_CON)};

	fake_faults[FAKE_TO_DIALLER].blackhole = true;
	assert_int_equal(ask(&upstream, &m[0], 300), 0);
	assert_int_equal(ask(&upstream, &m[1], 5), 0);
	pass(6);
	assert_int_equal(upstream.answers[ANSWER_NONE], 1);
	assert_int_equal(upstream.last.sends, 0);
}

// RFC 7252 section 5.2.2: an empty ACK ends the retransmissions, the response comes later in a CON
// of its own, which is acknowledged, its duplicates too, without telling the caller twice
static void separate_response(void **)
{
	struct message m = put(COAP_MESSAGE_CON), ack = message_make(0), response;
	unsigned before;

	fake_faults[FAKE_TO_DIALLER].blackhole = true;
	assert_int_equal(ask(&upstream, &m, 60), 0);
	ack.type = COAP_MESSAGE_ACK;
	ack.id = last_sent(FAKE_TO_DIALLER).id;
	inject(&upstream, &ack);
	before = sents[FAKE_TO_DIALLER];
	pass(30);
	assert_int_equal(sents[FAKE_TO_DIALLER], before);
	response = message_make(COAP_RESPONSE_CODE(205));
	response.type = COAP_MESSAGE_CON;
	response.id = 77;
	response.token_length = m.token_length;
	memcpy(response.token, m.token, m.token_length);
	for (unsigned i = 1; i <= 2; i++) {
		inject(&upstream, &response);
		assert_int_equal(sents[FAKE_TO_DIALLER], before + i);
		assert_int_equal(last_sent(FAKE_TO_DIALLER).type, COAP_MESSAGE_ACK);
		assert_int_equal(last_sent(FAKE_TO_DIALLER).id, 77);
		assert_int_equal(upstream.answers[ANSWER_REPLY], 1);
	}
}

static void reset_ends_a_request(void **)
{
	struct message m = put(COAP_MESSAGE_NON), rst = message_make(0);

	fake_faults[FAKE_TO_DIALLER].blackhole = true;
	assert_int_equal(ask(&upstream, &m, 60), 0);
	rst.type = COAP_MESSAGE_RST;
	rst.id = (uint16_t)(last_sent(FAKE_TO_DIALLER).id + 1);
	inject(&upstream, &rst); // not ours
	assert_int_equal(upstream.answers[ANSWER_RESET], 0);
	rst.id--;
	inject(&upstream, &rst);
	assert_int_equal(upstream.answers[ANSWER_RESET], 1);
}

static void calls_are_bounded(void **)
{
	struct message m;

	fake_faults[FAKE_TO_DIALLER].blackhole = true;
	for (unsigned i = 0; i < EXCHANGE_CALLS; i++) {
		m = put(COAP_MESSAGE_NON);
		assert_int_equal(ask(&upstream, &m, 2), 0);
	}
	m = put(COAP_MESSAGE_NON);
	assert_int_equal(ask(&upstream, &m, 2), -ENOBUFS);
	pass(3);
	assert_int_equal(upstream.answers[ANSWER_NONE], EXCHANGE_CALLS);
	m = put(COAP_MESSAGE_NON);
	assert_int_equal(ask(&upstream, &m, 2), 0);
}

// A full queue is a loss like any other over DTLS
static void what_the_socket_does_not_take_is_repeated(void **)
{
	struct message m = put(COAP_MESSAGE_NON);

	fake_faults[FAKE_TO_DIALLER].full = true;
	assert_int_equal(ask(&upstream, &m, 30), 0);
	pass(1);
	fake_faults[FAKE_TO_DIALLER].full = false;
	pass(3);
	assert_int_equal(upstream.answers[ANSWER_REPLY], 1);
}

static void what_does_not_fit_is_not_sent(void **)
{
	static uint8_t big[1300];
	struct message m = put(COAP_MESSAGE_NON);

	m.payload = (struct slice){big, sizeof(big)};
	assert_int_equal(ask(&upstream, &m, 2), -EMSGSIZE);
	assert_int_equal(sents[FAKE_TO_DIALLER], 0);
}

// ------------------------------------------------------------------ observing

static void notify(uint32_t sequence, const struct message *registration)
{
	struct message m = message_make(COAP_RESPONSE_CODE(205));

	m.observe = (int32_t)sequence;
	assert_int_equal(
		exchange_notify(home.exchange, registration->token, registration->token_length, &m),
		0);
	settle();
}

// OB-05: V2 is newer if it is ahead by less than 2^23, or if 128 s have passed (RFC 7641
// section 3.4)
static void only_newer_notifications_count(void **)
{
	static const struct {
		uint32_t sequence;
		unsigned told;
	} steps[] = {{2, 1}, {2, 1}, {1, 1}, {5, 2}, {4, 2}, {0x800004, 3}, {3, 4}, {0xffffff, 4},
		{0x7fffff, 5}, {0xfffffe, 6}, {1, 7}};
	struct message m = put(COAP_MESSAGE_NON);

	m.code = COAP_REQUEST_GET;
	m.observe = 0;
	assert_int_equal(ask(&upstream, &m, 30), 0);
	settle();
	assert_int_equal(upstream.answers[ANSWER_REPLY], 1);
	for (unsigned i = 0; i < ARRAY_LEN(steps); i++) {
		notify(steps[i].sequence, &m);
		if (upstream.answers[ANSWER_NOTIFICATION] != steps[i].told)
			fail_msg("after %u: %u", steps[i].sequence,
				upstream.answers[ANSWER_NOTIFICATION]);
	}
	pass(127);
	notify(0, &m);
	assert_int_equal(upstream.answers[ANSWER_NOTIFICATION], 7);
	pass(2);
	notify(0, &m);
	assert_int_equal(upstream.answers[ANSWER_NOTIFICATION], 8);
	assert_int_equal(home.resets, 0);
	// all of them NON (RFC 9132 section 4.4.2.1), and none acknowledged
	for (unsigned i = 0; i < sents[FAKE_TO_LISTENER]; i++)
		assert_int_equal(sent[FAKE_TO_LISTENER][i].data[0] >> 4 & 3, COAP_MESSAGE_NON);
	assert_int_equal(sents[FAKE_TO_DIALLER], 1);
}

// RFC 7641 section 3.6: who does not know a notification rejects it, and the server stops
static void an_unknown_notification_is_reset(void **)
{
	struct message m = put(COAP_MESSAGE_NON);

	m.code = COAP_REQUEST_GET;
	m.observe = 0;
	assert_int_equal(ask(&upstream, &m, 30), 0);
	settle();
	exchange_forget(upstream.exchange, m.token, m.token_length);
	notify(9, &m);
	assert_int_equal(upstream.answers[ANSWER_NOTIFICATION], 0);
	assert_int_equal(home.resets, 1);
}

static void an_error_ends_the_observation(void **)
{
	struct message m = put(COAP_MESSAGE_NON), gone = message_make(COAP_RESPONSE_CODE(404));

	m.code = COAP_REQUEST_GET;
	m.observe = 0;
	assert_int_equal(ask(&upstream, &m, 30), 0);
	settle();
	assert_int_equal(exchange_notify(home.exchange, m.token, m.token_length, &gone), 0);
	settle();
	assert_int_equal(upstream.answers[ANSWER_NOTIFICATION], 1);
	assert_int_equal(upstream.code, COAP_RESPONSE_CODE(404));
	notify(9, &m);
	assert_int_equal(upstream.answers[ANSWER_NOTIFICATION], 1);
	assert_int_equal(home.resets, 1);
}

// A second call under the token of an observation takes its place: how Observe 1 is sent
static void deregistering_reuses_the_token(void **)
{
	struct message m = put(COAP_MESSAGE_NON);

	m.code = COAP_REQUEST_GET;
	m.observe = 0;
	assert_int_equal(ask(&upstream, &m, 30), 0);
	settle();
	m.observe = 1;
	assert_int_equal(ask(&upstream, &m, 30), 0);
	settle();
	assert_int_equal(home.last_request.observe, 1);
	assert_int_equal(upstream.answers[ANSWER_REPLY], 2);
	notify(9, &m);
	assert_int_equal(home.resets, 1);
}

// ------------------------------------------------------------------ answering

// MR-39: RFC 7252 section 4.5
static void a_duplicate_non_is_processed_once(void **)
{
	struct message m = put(COAP_MESSAGE_NON);

	m.id = 4711;
	for (unsigned i = 0; i < 3; i++)
		inject(&home, &m);
	assert_int_equal(home.requests, 1);
	assert_int_equal(sents[FAKE_TO_LISTENER], 1);
	pass(146); // NON_LIFETIME: the ID may be in use again
	inject(&home, &m);
	assert_int_equal(home.requests, 2);
}

static void message_ids_remembered_are_bounded(void **)
{
	struct message m = put(COAP_MESSAGE_CON);

	fake_tap = NULL;
	for (unsigned i = 0; i < RECENT_ENTRIES + 10; i++) {
		m.id = (uint16_t)i;
		inject(&home, &m);
	}
	assert_int_equal(home.requests, RECENT_ENTRIES + 10);
	m.id = RECENT_ENTRIES + 9;
	inject(&home, &m);
	m.id = 10;
	inject(&home, &m);
	assert_int_equal(home.requests, RECENT_ENTRIES + 10);
	m.id = 9; // forgotten, so processed again
	inject(&home, &m);
	assert_int_equal(home.requests, RECENT_ENTRIES + 11);
}

static void answers_remembered_are_bounded_in_bytes(void **)
{
	struct recent recent = {0};
	static uint8_t answer[1000];

	for (uint16_t id = 0; id < 100; id++) {
		struct seen *seen = recent_add(&recent, id, 1000, 1);

		recent_answer(&recent, seen, answer, sizeof(answer));
	}
	assert_int_equal(recent.count, RECENT_BYTES / sizeof(answer));
	assert_null(recent_find(&recent, 100 - RECENT_BYTES / sizeof(answer) - 1, 1));
	assert_non_null(recent_find(&recent, 99, 1));
	assert_null(recent_find(&recent, 99, 1000));
	recent_clear(&recent);
	assert_int_equal(recent.bytes, 0);
}

// RFC 7252 section 4.3
static void a_ping_is_reset(void **)
{
	struct message m = message_make(0);

	m.type = COAP_MESSAGE_CON;
	m.id = 99;
	inject(&home, &m);
	assert_int_equal(last_sent(FAKE_TO_LISTENER).type, COAP_MESSAGE_RST);
	assert_int_equal(last_sent(FAKE_TO_LISTENER).id, 99);
	m.type = COAP_MESSAGE_NON;
	inject(&home, &m);
	assert_int_equal(sents[FAKE_TO_LISTENER], 1);
}

// ER-02: RFC 7252 sections 5.4.1 and 5.10.2, each with its diagnostic
static void critical_options(void **)
{
	static const struct {
		const char *bytes;
		size_t length;
		uint8_t code;
	} cases[] = {
		{"\x50\x03\x00\x01\xe1\x06\xe4y", 8, COAP_RESPONSE_CODE(402)}, // 2033
		{"\x50\x03\x00\x02\xd0\x0e", 6, COAP_RESPONSE_CODE(402)},      // Block1, empty
		{"\x40\x03\x00\x03\x50", 5, COAP_RESPONSE_CODE(402)},          // If-None-Match
		{"\x40\x03\x00\x04\xd1\x16x", 7, COAP_RESPONSE_CODE(505)},     // Proxy-Uri
		{"\x50\x03\x00\x05\xd1\x1ax", 7, COAP_RESPONSE_CODE(505)},     // Proxy-Scheme
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		exchange_receive(home.exchange, (const uint8_t *)cases[i].bytes, cases[i].length);
		assert_int_equal(last_sent(FAKE_TO_LISTENER).code, cases[i].code);
		assert_true(last_sent(FAKE_TO_LISTENER).payload.length > 0);
	}
	assert_int_equal(home.requests, 0);
}

static void a_silent_handler_sends_nothing(void **)
{
	struct message m = put(COAP_MESSAGE_NON);

	home.silent = 1;
	inject(&home, &m);
	assert_int_equal(home.requests, 1);
	assert_int_equal(sents[FAKE_TO_LISTENER], 0);
}

// What is no request and no answer of ours: confirmable ones are rejected, the rest is ignored
static void strays_are_harmless(void **)
{
	static const struct {
		uint8_t bytes[12];
		size_t length;
		bool reset;
	} strays[] = {
		{{0x50, 0xe5, 0, 1}, 4, false},         // 7.05
		{{0x40, 0xe1, 0, 2}, 4, false},         // 7.01, confirmable
		{{0x60, 0x45, 0, 3}, 4, false},         // ACK nobody waits for
		{{0x70, 0x00, 0, 4}, 4, false},         // RST
		{{0x70, 0x45, 0, 5}, 4, false},         // RST with a code
		{{0x50, 0x45, 0, 6}, 4, false},         // response nobody asked for
		{{0x40, 0x45, 0, 7}, 4, true},          // the same, confirmable
		{{0x50, 0x45, 0, 8, 0x61, 1}, 6, true}, // notification
		{{0x40, 0x20, 0, 9}, 4, true},          // class 1
		{{0x50, 0xc0, 0, 10}, 4, false},        // class 6
		{{0x60, 0x03, 0, 11}, 4, false},        // request in an ACK
		{{0x70, 0x03, 0, 12}, 4, false},        // request in a RST
	};

	for (unsigned i = 0; i < ARRAY_LEN(strays); i++) {
		unsigned before = sents[FAKE_TO_LISTENER];

		exchange_receive(home.exchange, strays[i].bytes, strays[i].length);
		if (sents[FAKE_TO_LISTENER] - before != strays[i].reset)
			fail_msg("stray %u", i);
	}
	assert_int_equal(home.requests, 0);
}

// ------------------------------------------------------------------ streams

static void csm_comes_first(void **)
{
	struct message m = put(COAP_MESSAGE_NON);

	// RFC 8323 section 5.3: one CSM each way before anything else
	assert_int_equal(sents[0], 1);
	assert_int_equal(sents[1], 1);
	assert_int_equal(last_sent(FAKE_TO_LISTENER).code, COAP_SIGNALING_CSM);
	assert_int_equal(last_sent(FAKE_TO_LISTENER).max_message_size, MESSAGE_MAX);
	assert_true(exchange_ready(home.exchange));
	assert_int_equal(ask(&upstream, &m, 30), 0);
	settle();
	assert_int_equal(upstream.answers[ANSWER_REPLY], 1);
	// no repetitions on a stream
	home.silent = 1;
	assert_int_equal(ask(&upstream, &m, 30), 0);
	pass(31);
	assert_int_equal(sents[FAKE_TO_DIALLER], 3);
	assert_int_equal(upstream.answers[ANSWER_NONE], 1);
}

static void a_peer_without_csm_is_aborted(void **)
{
	struct message m = put(COAP_MESSAGE_NON);
	struct exchange *fresh = exchange_new(loop, home.transport, &exchange_events, &home);

	assert_false(exchange_ready(fresh));
	exchange_free(home.exchange);
	home.exchange = fresh;
	inject(&home, &m);
	assert_int_equal(home.requests, 0);
	assert_int_equal(last_sent(FAKE_TO_LISTENER).code, COAP_SIGNALING_ABORT);
	assert_non_null(strstr(home.ended, "no CSM"));
}

static void stream_signals(void **)
{
	struct message m = message_make(COAP_SIGNALING_PING);

	m.token_length = 2;
	memcpy(m.token, "pi", 2);
	inject(&home, &m);
	assert_int_equal(last_sent(FAKE_TO_LISTENER).code, COAP_SIGNALING_PONG);
	assert_memory_equal(last_sent(FAKE_TO_LISTENER).token, "pi", 2);
	m.code = COAP_SIGNALING_PONG;
	inject(&home, &m);
	m.code = COAP_RESPONSE_CODE(731); // not defined
	inject(&home, &m);
	assert_string_equal(home.ended, "");
	m.code = COAP_SIGNALING_RELEASE;
	inject(&home, &m);
	assert_string_equal(home.ended, "released by the peer");
	m.code = COAP_SIGNALING_ABORT;
	m.payload = (struct slice){(const uint8_t *)"enough", 6};
	inject(&home, &m);
	assert_string_equal(home.ended, "aborted by the peer: enough");
}

static void a_malformed_frame_ends_the_stream(void **)
{
	exchange_receive(home.exchange, (const uint8_t *)"\x19\x45\xff", 3);
	assert_string_equal(home.ended, "malformed message");
	assert_int_equal(last_sent(FAKE_TO_LISTENER).code, COAP_SIGNALING_ABORT);
	settle();
	assert_non_null(strstr(upstream.ended, "aborted by the peer: malformed"));
}

// What the stream does not take is not kept here either
static void a_peer_that_does_not_read(void **)
{
	struct message m = put(COAP_MESSAGE_NON);

	fake_faults[FAKE_TO_LISTENER].full = true;
	inject(&home, &m);
	assert_string_equal(home.ended, "the peer does not read its answers");
	fake_faults[FAKE_TO_DIALLER].full = true;
	m = put(COAP_MESSAGE_NON);
	assert_int_equal(ask(&upstream, &m, 30), -EAGAIN);
}

// The CSM of the peer decides how much it is sent
static void the_peers_room_is_kept(void **)
{
	struct message csm = message_make(COAP_SIGNALING_CSM);

	csm.max_message_size = 100;
	inject(&home, &csm);
	assert_true(exchange_room(home.exchange) < 100);
	csm.max_message_size = 3;
	inject(&home, &csm);
	assert_int_equal(exchange_room(home.exchange), 0);
	csm.max_message_size = UINT32_MAX;
	inject(&home, &csm);
	assert_int_equal(exchange_room(home.exchange), REPLY_BODY_ROOM);
}

#define DTLS(test) cmocka_unit_test_setup_teardown(test, over_dtls, disconnect)
#define TLS(test)  cmocka_unit_test_setup_teardown(test, over_tls, disconnect)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DTLS(non_request_and_reply),
		DTLS(non_request_is_repeated_once_in_3_s),
		DTLS(a_lost_request_is_answered_after_its_repetition),
		DTLS(once_means_once),
		DTLS(con_request_is_retransmitted),
		DTLS(con_request_and_its_duplicates),
		DTLS(one_con_at_a_time),
		DTLS(a_con_may_run_out_of_time_unsent),
		DTLS(separate_response),
		DTLS(reset_ends_a_request),
		DTLS(calls_are_bounded),
		DTLS(what_the_socket_does_not_take_is_repeated),
		DTLS(what_does_not_fit_is_not_sent),
		DTLS(only_newer_notifications_count),
		DTLS(an_unknown_notification_is_reset),
		DTLS(an_error_ends_the_observation),
		DTLS(deregistering_reuses_the_token),
		DTLS(a_duplicate_non_is_processed_once),
		DTLS(message_ids_remembered_are_bounded),
		DTLS(answers_remembered_are_bounded_in_bytes),
		DTLS(a_ping_is_reset),
		DTLS(critical_options),
		DTLS(a_silent_handler_sends_nothing),
		DTLS(strays_are_harmless),
		TLS(csm_comes_first),
		TLS(a_peer_without_csm_is_aborted),
		TLS(stream_signals),
		TLS(a_malformed_frame_ends_the_stream),
		TLS(a_peer_that_does_not_read),
		TLS(the_peers_room_is_kept),
	};
	int failed;

	clock_hold();
	loop = evloop_new();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	evloop_free(loop);
	return failed;
}
