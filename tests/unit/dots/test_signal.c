// SPDX-License-Identifier: BSD-3-Clause

// What a Call Home DOTS server answers, request by request, with the rules of RFC 9132 section 4.4
// and RFC 9066 section 5.3.1 that each case shows.

#include "base/bits.h"
#include "base/clock.h"
#include "dots/codec.h"

#include "unit.h"
#include "upstream.h"
#include "vectors.h"

#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VICTIM "198.51.100.10/32"

static const struct attack by_a = {"203.0.113.7/32", 1500, VICTIM, 3600, 0};
static const struct attack by_b = {"203.0.113.7/32", 2500, VICTIM, 3600, 0};

static int connected(void **state)
{
	struct dots_upstream config;

	world_setup(state);
	config = upstream_config(&one);
	upstream_connect(&one, &config);
	return 0;
}

static int both_connected(void **state)
{
	struct dots_upstream config;

	connected(state);
	config = upstream_config(&two);
	upstream_connect(&two, &config);
	return 0;
}

static unsigned get(struct upstream *u, const char *cuid, uint32_t mid)
{
	char path[256];

	snprintf(path, sizeof(path), "mitigate/cuid=%s/mid=%u", cuid, mid);
	return ask(u, COAP_REQUEST_GET, path, NULL, 0);
}

static unsigned withdraw(struct upstream *u, const char *cuid, uint32_t mid)
{
	char path[256];

	snprintf(path, sizeof(path), "mitigate/cuid=%s/mid=%u", cuid, mid);
	return ask(u, COAP_REQUEST_DELETE, path, NULL, 0);
}

static void hit(uint32_t slot, unsigned packets, uint32_t bytes)
{
	while (packets--)
		acl_hit(acl, 0, slot, bytes);
}

// ------------------------------------------------------------------ PUT

// MR-24: 2.01 with mid and the lifetime granted, and no cuid (RFC 9132 section 4.4.1.3)
static void a_request_is_accepted(void **)
{
	const struct mitigation_body *reply;

	assert_int_equal(mitigate(&one, CUID, 56, by_a), 201);
	reply = answered(&one);
	assert_true(reply->has_mid && reply->mid == 56);
	assert_int_equal(reply->lifetime, 3600);
	assert_int_equal(one.reply.payload.length, 13);
	assert_int_equal(reply->status, 0);
	assert_int_equal(rules(), 1);
}

static json_t *rows;

// Each valid mitigation request of the vectors is accepted, and each that breaks a rule gets its
// code with a diagnostic and leaves no rule behind (ER-01).
static void the_vectors_get_their_codes(void **)
{
	unsigned accepted = 0, refused = 0;
	uint8_t body[512];

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *name = vector_text(row, "name");
		const char *code = vector_text(row, "code");
		const char *text = vector_text(row, "says");
		bool hb = strstr(name, "hb") != NULL;
		unsigned got;

		if (!code || strstr(name, "redirect") || strstr(name, "config") ||
			strstr(name, "efficacy"))
			continue;
		got = ask(&one, COAP_REQUEST_PUT, hb ? "hb" : "mitigate/cuid=" CUID "/mid=56", body,
			vector_bytes(row, body, sizeof(body)));
		if (got != (unsigned)((code[0] - '0') * 100 + atoi(code + 2)))
			fail_msg("%s: %u", name, got);
		if (got >= 400) {
			assert_true(says(&one, text ? text : ""));
			assert_true(one.reply.payload.length > 0);
			assert_int_equal(rules(), 0);
			refused++;
		} else {
			accepted++;
			assert_int_equal(rules(), !hb);
			assert_int_equal(withdraw(&one, CUID, 56), 202);
		}
	}
	assert_int_equal(accepted, 9);
	assert_int_equal(refused, 30 + 24);
}

// MR-08, MR-09: on either side, alone or covered by a prefix; link-local is no such address, though
// here nobody holds one
static void addresses_nobody_has(void **)
{
	static const char *const invalid[] = {"127.0.0.1/32", "127.0.0.0/8", "224.0.0.5/32",
		"239.255.255.250/32", "255.255.255.255/32", "0.0.0.0/0", "::1/128", "ff02::1/128",
		"::/0"};

	for (unsigned i = 0; i < ARRAY_LEN(invalid); i++) {
		bool v6 = strchr(invalid[i], ':') != NULL;
		struct attack a = {invalid[i], 0, v6 ? "2001:db8::1/128" : VICTIM, 60, 0};

		assert_int_equal(mitigate(&one, CUID, i, a), 400);
		assert_true(says(&one, "source-prefix"));
		a = (struct attack){
			v6 ? "2001:db8:123::1/128" : "203.0.113.9/32", 0, invalid[i], 60, 0};
		assert_int_equal(mitigate(&one, CUID, i, a), 400);
		assert_true(says(&one, "target-prefix"));
	}
	assert_int_equal(mitigate(&one, CUID, 1,
				 (struct attack){"fe80::1/128", 0, "2001:db8::1/128", 60, 0}),
		400);
	assert_true(says(&one, "not visible outside"));
}

// V20: no target that the source could reach
static void families_must_meet(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1,
				 (struct attack){"203.0.113.9/32", 0, "2001:db8::1/128", 60, 0}),
		400);
	assert_true(says(&one, "IPv4"));
	assert_int_equal(
		mitigate(&one, CUID, 1, (struct attack){"2001:db8:123::1/128", 0, VICTIM, 60, 0}),
		400);
}

// Every reason of the resolver's reaches the client, and nothing is installed.
static void sources_that_cannot_be_found(void **)
{
	assert_int_equal(
		mitigate(&one, CUID, 1, (struct attack){"203.0.113.7/32", 0, VICTIM, 60, 0}), 400);
	assert_true(says(&one, "shared by several subscribers"));
	assert_int_equal(
		mitigate(&one, CUID, 1, (struct attack){"203.0.113.7/32", 9999, VICTIM, 60, 0}),
		400);
	assert_true(says(&one, "203.0.113.7/32: nobody holds it with these ports"));
	assert_int_equal(
		mitigate(&one, CUID, 1, (struct attack){"8.8.8.8/32", 53, VICTIM, 60, 0}), 400);
	assert_true(says(&one, "8.8.8.8/32: not an address of this network"));
	assert_int_equal(rules(), 0);
	assert_int_equal(get(&one, CUID, 1), 404);
}

// MR-13: any target that can be routed
static void any_target_will_do(void **)
{
	static const char *const targets[] = {
		"8.8.8.0/24", "10.1.2.3/32", "203.0.113.200/32", "1.0.0.0/8"};

	for (unsigned i = 0; i < ARRAY_LEN(targets); i++)
		assert_int_equal(
			mitigate(&one, CUID, i,
				(struct attack){"203.0.113.7/32", 1500, targets[i], 60, 0}),
			201);
}

// MR-25: the same again starts the lifetime anew; anything else under that mid is refused
static void refreshing(void **)
{
	struct attack changed = by_a;

	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	pass(1000);
	assert_int_equal(get(&one, CUID, 1), 205);
	assert_int_equal(answered(&one)->lifetime, 2600);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 204);
	assert_int_equal(answered(&one)->lifetime, 3600);
	changed.lifetime = 60;
	assert_int_equal(mitigate(&one, CUID, 1, changed), 204);
	assert_int_equal(answered(&one)->lifetime, 60);
	assert_int_equal(rules(), 1);
	assert_int_equal(mitigate(&one, CUID, 1, by_b), 400);
	assert_true(says(&one, "mid 1 is in use"));
	changed.target = "198.51.100.0/24";
	assert_int_equal(mitigate(&one, CUID, 1, changed), 400);
	assert_int_equal(rules(), 1);
	// what is installed is kept: the subscriber is blocked, not the port he had
	resolver.entry[1].inside = resolver.entry[2].inside;
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 204);
	pass(3599);
	assert_int_equal(rules(), 1);
	pass(2);
	assert_int_equal(rules(), 0);
}

// MR-43: the end of the lifetime removes the request and the block
static void the_lifetime_ends(void **)
{
	struct attack brief = by_a;

	brief.lifetime = 2;
	assert_int_equal(mitigate(&one, CUID, 1, brief), 201);
	assert_int_equal(rules(), 1);
	pass(3);
	assert_int_equal(rules(), 0);
	assert_int_equal(get(&one, CUID, 1), 404);
}

// MR-04: -1 has no end unless the policy sets one
static void the_lifetime_may_be_indefinite(void **)
{
	struct attack endless = by_a;
	struct dots_upstream config = upstream_config(&two);

	endless.lifetime = LIFETIME_INDEFINITE;
	assert_int_equal(mitigate(&one, CUID, 1, endless), 201);
	assert_int_equal(answered(&one)->lifetime, LIFETIME_INDEFINITE);
	clock_advance(1000000 * CLOCK_SECOND);
	settle();
	assert_int_equal(rules(), 1);
	config.max_lifetime = 600;
	upstream_connect(&two, &config);
	assert_int_equal(mitigate(&two, OTHER, 1, endless), 201);
	assert_int_equal(answered(&two)->lifetime, 600);
	assert_int_equal(mitigate(&two, OTHER, 2, by_b), 201);
	assert_int_equal(answered(&two)->lifetime, 600);
	endless.lifetime = UINT32_MAX;
	assert_int_equal(mitigate(&two, OTHER, 1, endless), 204);
	assert_int_equal(answered(&two)->lifetime, 600);
}

// MR-31 with the default key: another attacker of the same victim is another matter; the same one
// again under a higher mid takes the place of the lower, and a late lower one is refused
static void overlap_by_target_and_source(void **)
{
	const struct mitigation_body *reply;
	struct attack wide = by_a;

	assert_int_equal(mitigate(&one, CUID, 5, by_a), 201);
	assert_int_equal(mitigate(&one, CUID, 6, by_b), 201);
	assert_int_equal(rules(), 2);
	wide.target = "198.51.100.0/24";
	assert_int_equal(mitigate(&one, CUID, 7, wide), 201);
	assert_int_equal(get(&one, CUID, 5), 404);
	assert_int_equal(get(&one, CUID, 6), 205);
	assert_int_equal(rules(), 2);
	assert_int_equal(mitigate(&one, CUID, 4, by_a), 409);
	reply = answered(&one);
	assert_int_equal(reply->conflict.cause, CAUSE_OVERLAPPING_TARGETS);
	assert_true(reply->conflict.has_mid && reply->conflict.mid == 7);
	assert_int_equal(reply->conflict.targets, 1);
	assert_int_equal(reply->conflict.target[0].len, 24);
	assert_int_equal(rules(), 2);
}

// MR-31 to the letter: the target alone counts
static void overlap_by_target(void **)
{
	struct dots_upstream config = upstream_config(&two);

	config.overlap = OVERLAP_TARGET;
	upstream_connect(&two, &config);
	assert_int_equal(mitigate(&two, OTHER, 5, by_a), 201);
	assert_int_equal(mitigate(&two, OTHER, 6, by_b), 201);
	assert_int_equal(get(&two, OTHER, 5), 404);
	assert_int_equal(rules(), 1);
	assert_int_equal(mitigate(&two, OTHER, 4, by_a), 409);
	assert_int_equal(answered(&two)->conflict.mid, 6);
}

// A request that takes the place of another may be the one too many
static void a_full_house_still_takes_replacements(void **)
{
	struct dots_upstream config = upstream_config(&two);

	config.max_mitigations = 2;
	upstream_connect(&two, &config);
	assert_int_equal(mitigate(&two, OTHER, 1, by_a), 201);
	assert_int_equal(mitigate(&two, OTHER, 2, by_b), 201);
	assert_int_equal(
		mitigate(&two, OTHER, 3, (struct attack){"203.0.113.9/32", 0, VICTIM, 60, 0}), 503);
	assert_true(says(&two, "2 mitigations are in force"));
	// RFC 9132 section 4.4.1.3; and no alternate server (CH-24)
	assert_int_equal(two.reply.max_age, 60);
	assert_int_equal(mitigate(&two, OTHER, 4, by_a), 201);
	assert_int_equal(get(&two, OTHER, 1), 404);
	assert_int_equal(rules(), 2);
	// the other upstream has a limit of its own
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
}

static void the_acl_may_be_full(void **)
{
	uint32_t slot[64];
	struct acl_rule rule = {.any_protocol = true, .upper_port = UINT16_MAX, .upper_type = 255};

	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(acl_add(acl, &rule, &slot[i]), 0);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 503);
	assert_true(says(&one, "no room for the rules"));
	assert_int_equal(one.reply.max_age, 60);
	assert_int_equal(get(&one, CUID, 1), 404);
	for (unsigned i = 0; i < 64; i++)
		acl_remove(acl, slot[i]);
	assert_int_equal(rules(), 0);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
}

// MR-29: a cuid is the upstream's whose mitigations it names; the answer holds the cause alone
static void a_cuid_of_another(void **)
{
	const uint8_t expected[] = {0xa1, 1, 0xa1, 2, 0x81, 0xa1, 0x11, 0xa1, 0x13, 3};

	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(mitigate(&two, CUID, 2, by_b), 409);
	assert_int_equal(two.reply.payload.length, sizeof(expected));
	assert_memory_equal(two.body, expected, sizeof(expected));
	assert_int_equal(mitigate(&two, OTHER, 2, by_b), 201);
	// one client may have several
	assert_int_equal(mitigate(&one, "second", 1, by_b), 201);
	// and who has none left has no claim
	assert_int_equal(withdraw(&one, CUID, 1), 202);
	assert_int_equal(mitigate(&two, CUID, 3, by_a), 201);
}

// MR-40: each sees its own, and nobody else's can be touched
static void upstreams_are_isolated(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(get(&two, CUID, 1), 404);
	assert_int_equal(ask(&two, COAP_REQUEST_GET, "mitigate/cuid=" CUID, NULL, 0), 404);
	assert_int_equal(withdraw(&two, CUID, 1), 202);
	assert_int_equal(rules(), 1);
	// requests of different clients do not overlap
	assert_int_equal(mitigate(&two, OTHER, 9, by_a), 201);
	assert_int_equal(get(&one, CUID, 1), 205);
	assert_int_equal(rules(), 2);
	assert_int_equal(dots_remove(dots, "two", true), 0);
	assert_int_equal(rules(), 1);
}

// MR-44, V24: an efficacy update needs something to be about
static void efficacy(void **)
{
	struct message m = message_make(COAP_REQUEST_PUT);
	struct attack update = by_a;
	uint8_t body[256];
	unsigned before;
	int length;

	update.attack_status = ATTACK_UNDER_WAY;
	before = one.answers;
	assert_int_equal(mitigate(&one, CUID, 1, update), 0); // silence
	assert_int_equal(one.answers, before);
	assert_int_equal(rules(), 0);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	pass(100);
	update.lifetime = 0; // absent: it runs on
	assert_int_equal(mitigate(&one, CUID, 1, update), 204);
	assert_int_equal(get(&one, CUID, 1), 205);
	assert_int_equal(answered(&one)->lifetime, 3500);
	update.lifetime = 600;
	update.attack_status = ATTACK_MITIGATED;
	assert_int_equal(mitigate(&one, CUID, 1, update), 204);
	assert_int_equal(answered(&one)->lifetime, 600);
	update.source_port = 1600;
	assert_int_equal(mitigate(&one, CUID, 1, update), 400);
	update.source_port = 1500;
	update.attack_status = 3;
	assert_int_equal(mitigate(&one, CUID, 1, update), 400);
	// attack-status without If-Match, If-Match without attack-status, If-Match with a value
	update.attack_status = ATTACK_UNDER_WAY;
	length = attack_body(update, body, sizeof(body));
	assert_int_equal(
		ask(&one, COAP_REQUEST_PUT, "mitigate/cuid=" CUID "/mid=1", body, (size_t)length),
		400);
	assert_true(says(&one, "efficacy update"));
	length = attack_body(by_a, body, sizeof(body));
	m.if_match = true;
	m.content_format = 271;
	assert_int_equal(
		ask_with(&one, &m, "mitigate/cuid=" CUID "/mid=1", body, (size_t)length), 400);
	assert_true(says(&one, "attack-status"));
}

// V1: cuid and mid, in this order, nothing else; V4: a cdid is passed over
static void paths(void **)
{
	static const struct {
		const char *path;
		unsigned code;
	} cases[] = {
		{"mitigate", 400},
		{"mitigate/cuid=", 400},
		{"mitigate/cuid=" CUID, 400},
		{"mitigate/mid=1", 400},
		{"mitigate/mid=1/cuid=" CUID, 400},
		{"mitigate/cuid=" CUID "/mid=", 400},
		{"mitigate/cuid=" CUID "/mid=x", 400},
		{"mitigate/cuid=" CUID "/mid=-1", 400},
		{"mitigate/cuid=" CUID "/mid=4294967296", 400},
		{"mitigate/cuid=" CUID "/mid=00000000001", 400},
		{"mitigate/cuid=" CUID "/mid=1/mid=2", 400},
		{"mitigate/cuid=" CUID "/mid=1/more", 400},
		{"mitigate/cuid=" CUID "/mid=1/1/2/3", 400},
		{"mitigate/cdid=x/mid=1", 400},
		{"mitigate/cuid=a b/mid=1", 400},
		{"mitigate/cuid=" CUID "/mid=4294967295", 201},
		{"mitigate/cdid=7eeaf349529eb55ed50113/cuid=" CUID "/mid=4294967294", 409},
		{"mitigate/cdid=7eeaf349529eb55ed50113/cuid=" CUID "/mid=4294967295", 204},
		{"mitigates/cuid=" CUID "/mid=1", 404},
		{"redirected/cuid=" CUID "/mid=1", 404},
		{"", 404},
	};
	uint8_t body[256];
	size_t length = (size_t)attack_body(by_a, body, sizeof(body));

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned code = ask(&one, COAP_REQUEST_PUT, cases[i].path, body, length);

		if (code != cases[i].code)
			fail_msg("%s: %u", cases[i].path, code);
		if (code >= 400 && code != 409)
			assert_true(says(&one, ""));
	}
	assert_int_equal(rules(), 1);
}

static void a_long_cuid(void **)
{
	char path[300] = "mitigate/cuid=";

	memset(path + strlen(path), 'x', 128);
	strcat(path, "/mid=1");
	assert_int_equal(ask(&one, COAP_REQUEST_GET, path, NULL, 0), 404);
	memmove(path + 15, path + 14, strlen(path + 14) + 1);
	assert_int_equal(ask(&one, COAP_REQUEST_GET, path, NULL, 0), 400);
}

// MR-21, ER-02: what is wrong with the request itself
static void methods_and_formats(void **)
{
	struct message m = message_make(COAP_REQUEST_PUT);
	uint8_t body[256];
	size_t length = (size_t)attack_body(by_a, body, sizeof(body));
	const char *path = "mitigate/cuid=" CUID "/mid=1";

	assert_int_equal(ask(&one, COAP_REQUEST_POST, path, body, length), 405);
	assert_int_equal(ask(&one, COAP_REQUEST_FETCH, path, body, length), 405);
	assert_true(says(&one, "PUT, GET and DELETE"));
	assert_int_equal(ask_with(&one, &m, path, body, length), 415); // no Content-Format
	m = message_make(COAP_REQUEST_PUT);
	m.content_format = 60;
	assert_int_equal(ask_with(&one, &m, path, body, length), 415);
	assert_true(says(&one, "271"));
	m = message_make(COAP_REQUEST_PUT);
	m.content_format = 271;
	m.accept = 50;
	assert_int_equal(ask_with(&one, &m, path, body, length), 406);
	m = message_make(COAP_REQUEST_PUT);
	m.content_format = 271;
	m.accept = 271;
	m.hop_limit = 3;
	assert_int_equal(ask_with(&one, &m, path, body, length), 201);
	assert_int_equal(ask(&one, COAP_REQUEST_PUT, path, NULL, 0), 415);
	m = message_make(COAP_REQUEST_PUT);
	m.content_format = 271;
	assert_int_equal(ask_with(&one, &m, path, NULL, 0), 400); // an empty body
}

// MR-16: names are for the reader; nobody looks them up, so one that does not exist does no harm
static void names_are_not_resolved(void **)
{
	char *fqdn = (char[]){"no-such-host.invalid"},
	     *uri = (char[]){"https://no-such-host.invalid/"};
	struct ipprefix source, target;
	struct mitigation_body body = {
		.has_lifetime = true,
		.lifetime = 60,
		.scope = {.source = &source,
			.sources = 1,
			.target = &target,
			.targets = 1,
			.fqdn = &fqdn,
			.fqdns = 1,
			.uri = &uri,
			.uris = 1},
	};
	uint8_t out[512];
	int length;

	ipprefix_parse("203.0.113.9/32", &source, NULL);
	ipprefix_parse(VICTIM, &target, NULL);
	length = codec_write_mitigations(&body, 1, out, sizeof(out));
	assert_true(length > 0);
	assert_int_equal(
		ask(&one, COAP_REQUEST_PUT, "mitigate/cuid=" CUID "/mid=1", out, (size_t)length),
		201);
	// the rules are for the prefix alone
	assert_int_equal(rules(), 1);
	assert_int_equal(get(&one, CUID, 1), 205);
	assert_string_equal(answered(&one)->scope.fqdn[0], fqdn);
	assert_string_equal(answered(&one)->scope.uri[0], uri);
}

// ------------------------------------------------------------------ DELETE

// MR-41
static void withdrawing(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(withdraw(&one, CUID, 1), 202);
	assert_int_equal(one.reply.payload.length, 0);
	assert_int_equal(rules(), 0);
	assert_int_equal(withdraw(&one, CUID, 1), 202);
	assert_int_equal(withdraw(&one, CUID, 99), 202);
	assert_int_equal(ask(&one, COAP_REQUEST_DELETE, "mitigate/cuid=" CUID, NULL, 0), 400);
	assert_int_equal(ask(&one, COAP_REQUEST_DELETE, "mitigate", NULL, 0), 400);
	assert_int_equal(mitigate(&one, CUID, 1, by_b), 201);
}

// ------------------------------------------------------------------ GET

// OB-04, OB-08: mid, lifetime, status, start and counters; the source as it was asked for
static void status(void **)
{
	const struct mitigation_body *reply;
	struct ipprefix source;

	assert_int_equal(get(&one, CUID, 1), 404);
	assert_true(says(&one, "no such mitigation"));
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	pass(10);
	assert_int_equal(get(&one, CUID, 1), 205);
	reply = answered(&one);
	ipprefix_parse(by_a.source, &source, NULL);
	assert_int_equal(reply->mid, 1);
	assert_int_equal(reply->lifetime, 3590);
	assert_int_equal(reply->status, STATUS_IN_PROGRESS);
	assert_in_range(reply->start, clock_unix_ms() / 1000 - 11, clock_unix_ms() / 1000 - 9);
	assert_int_equal(reply->scope.sources, 1);
	assert_memory_equal(&reply->scope.source[0], &source, sizeof(source));
	assert_int_equal(reply->scope.source_port[0].lower, 1500);
	assert_int_equal(reply->scope.targets, 1);
	assert_true(reply->has_dropped);
	assert_int_equal(reply->dropped.packets, 0);
	assert_null(memmem(one.body, one.reply.payload.length, "100.64", 6));
}

// 1 until something meets the rules, 2 while it does, 3 when it has stopped for 30 s, 2 again
static void status_follows_the_counters(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	hit(0, 10, 1000);
	pass(1);
	assert_int_equal(get(&one, CUID, 1), 205);
	assert_int_equal(answered(&one)->status, STATUS_MITIGATED);
	assert_int_equal(answered(&one)->dropped.packets, 10);
	assert_int_equal(answered(&one)->dropped.bytes, 10000);
	pass(29);
	hit(0, 1, 1000);
	pass(29);
	get(&one, CUID, 1);
	assert_int_equal(answered(&one)->status, STATUS_MITIGATED);
	pass(3);
	get(&one, CUID, 1);
	assert_int_equal(answered(&one)->status, STATUS_STOPPED);
	pass(100);
	hit(0, 1, 1000);
	pass(1);
	get(&one, CUID, 1);
	assert_int_equal(answered(&one)->status, STATUS_MITIGATED);
	assert_int_equal(answered(&one)->dropped.packets, 12);
}

// RFC 9132 section 4.4.2: bytes and packets a second, in buckets of five minutes, their mean over
// the time of the mitigation
static void rates_are_means_of_buckets(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	hit(0, 600, 100);
	pass(60); // the first bucket is not full: so far
	get(&one, CUID, 1);
	assert_int_equal(answered(&one)->dropped.pps, 10);
	assert_int_equal(answered(&one)->dropped.bps, 1000);
	pass(241); // full: 600 in 300 s
	get(&one, CUID, 1);
	assert_int_equal(answered(&one)->dropped.pps, 2);
	assert_int_equal(answered(&one)->dropped.bps, 200);
	hit(0, 2400, 100);
	pass(200); // the second is not
	get(&one, CUID, 1);
	assert_int_equal(answered(&one)->dropped.pps, 2);
	assert_int_equal(answered(&one)->dropped.packets, 3000);
	pass(100); // means of 2 and 8
	get(&one, CUID, 1);
	assert_int_equal(answered(&one)->dropped.pps, 5);
	assert_int_equal(answered(&one)->dropped.bps, 500);
}

static void listing(void **)
{
	struct mitigation_body *bodies;
	struct err err;
	unsigned count;

	assert_int_equal(ask(&one, COAP_REQUEST_GET, "mitigate/cuid=" CUID, NULL, 0), 404);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(mitigate(&one, CUID, 2, by_b), 201);
	assert_int_equal(ask(&one, COAP_REQUEST_GET, "mitigate/cuid=" CUID, NULL, 0), 205);
	assert_int_equal(codec_read_mitigations(
				 one.body, one.reply.payload.length, false, &bodies, &count, &err),
		0);
	assert_int_equal(count, 2);
	assert_int_equal(bodies[1].mid, 2);
	mitigation_bodies_free(bodies, count);
}

// ------------------------------------------------------------------ config

// CH-17
static void the_heartbeat_interval_is_offered(void **)
{
	struct dots_upstream upstream = upstream_config(&two);
	struct config_body config;
	struct err err;

	upstream.heartbeat_interval = 20;
	upstream_connect(&two, &upstream);
	assert_int_equal(ask(&two, COAP_REQUEST_GET, "config", NULL, 0), 205);
	codec_read_config(two.body, two.reply.payload.length, false, &config, &err);
	assert_int_equal(config.idle.setting[SETTING_HEARTBEAT_INTERVAL].current, 20);
	assert_int_equal(config.mitigating.setting[SETTING_HEARTBEAT_INTERVAL].current, 20);
}

// Both readings of keys 34 and 35 (CF-07)
static void the_larger_is_the_maximum(void **)
{
	const uint8_t swapped[] = {0xa1, 0x18, 0x1e, 0xa1, 0x18, 0x2c, 0xa1, 0x18, 0x21, 0xa3, 0x18,
		0x22, 15, 0x18, 0x23, 0x18, 240, 0x18, 0x24, 0x18, 30};
	struct setting_values *v;
	struct config_body config;
	struct err err;

	assert_int_equal(codec_read_config(swapped, sizeof(swapped), false, &config, &err), 0);
	v = &config.idle.setting[SETTING_HEARTBEAT_INTERVAL];
	assert_int_equal(v->max, 240);
	assert_int_equal(v->min, 15);
	assert_int_equal(v->current, 30);
	assert_int_equal(config.mitigating.setting[SETTING_HEARTBEAT_INTERVAL].max, SETTING_ABSENT);
}

// ------------------------------------------------------------------ duplicates

// MR-39: one datagram twice is one request
static void a_duplicate_is_one_request(void **)
{
	unsigned asked = resolver.asked;

	fake_faults[FAKE_TO_DIALLER].duplicate = true;
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(resolver.asked, asked + 1);
	assert_int_equal(one.answers, 1);
	assert_int_equal(rules(), 1);
}

// A reply that was lost: the request comes again under a new message ID, and is a refresh
static void a_repetition_is_a_refresh(void **)
{
	fake_faults[FAKE_TO_LISTENER].drop = 1;
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 0);
	assert_int_equal(rules(), 1);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 204);
	assert_int_equal(rules(), 1);
}

// ------------------------------------------------------------------ what is shown

static unsigned shown;

static void show_mitigation(void *, const struct dots_mitigation_row *row)
{
	shown++;
	assert_string_equal(row->upstream, "one");
	assert_string_equal(row->cuid, CUID);
	assert_int_equal(row->mid, 56);
	assert_int_equal(row->scope->sources, 1);
	assert_string_equal(row->status_label, "attack-successfully-mitigated");
	assert_int_equal(row->packets_dropped, 5);
	assert_int_equal(row->suspects, 1);
	assert_int_equal(row->suspect[0].subscriber.addr[3], 1); // 100.64.0.1
	assert_int_equal(row->acl_slots, 1);
	assert_non_null(acl_get(acl, row->acl_slot[0]));
}

static void mitigations_are_shown(void **)
{
	assert_int_equal(mitigate(&one, CUID, 56, by_a), 201);
	hit(0, 5, 100);
	pass(1);
	shown = 0;
	dots_list_mitigations(dots, show_mitigation, NULL);
	assert_int_equal(shown, 1);
}

#define ONE(test)  cmocka_unit_test_setup_teardown(test, connected, world_teardown)
#define BOTH(test) cmocka_unit_test_setup_teardown(test, both_connected, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(a_request_is_accepted),
		ONE(the_vectors_get_their_codes),
		ONE(addresses_nobody_has),
		ONE(families_must_meet),
		ONE(sources_that_cannot_be_found),
		ONE(any_target_will_do),
		ONE(refreshing),
		ONE(the_lifetime_ends),
		ONE(the_lifetime_may_be_indefinite),
		ONE(overlap_by_target_and_source),
		ONE(overlap_by_target),
		ONE(a_full_house_still_takes_replacements),
		ONE(the_acl_may_be_full),
		BOTH(a_cuid_of_another),
		BOTH(upstreams_are_isolated),
		ONE(efficacy),
		ONE(paths),
		ONE(a_long_cuid),
		ONE(methods_and_formats),
		ONE(names_are_not_resolved),
		ONE(withdrawing),
		ONE(status),
		ONE(status_follows_the_counters),
		ONE(rates_are_means_of_buckets),
		ONE(listing),
		ONE(the_heartbeat_interval_is_offered),
		cmocka_unit_test(the_larger_is_the_maximum),
		ONE(a_duplicate_is_one_request),
		ONE(a_repetition_is_a_refresh),
		ONE(mitigations_are_shown),
	};
	int failed;

	rows = vectors_load();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_decref(rows);
	return failed;
}
