// SPDX-License-Identifier: BSD-3-Clause

// Session resumption by tickets: nothing is kept on the accepting side but a key (RFC 9132 section
// 7.1, RFC 5077, RFC 8446 section 4.6.1).

#include "base/bits.h"
#include "base/clock.h"

#include "pki.h"
#include "raw.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

// Connects, lets a ticket arrive, closes. Returns whether both sides say it was resumed.
static bool visit(struct world *w, struct credentials *c, const char *name)
{
	unsigned n = w->n_accepted;
	struct end *end = world_dial_with(w, c, name, w->port), *accepted;

	RUN_UNTIL(w, end->ups && w->n_accepted == n + 1);
	accepted = w->accepted[n];
	world_settle(w);
	assert_int_equal(end->peer.resumed, accepted->peer.resumed);
	// who the peer is does not get lost on the way through a ticket
	assert_string_equal(end->peer.name, name);
	assert_string_equal(accepted->peer.name, PKI_CLIENT);
	assert_string_equal(accepted->peer.spki, credentials_cuid(c));
	transport_close(end->transport);
	end->transport = NULL;
	RUN_UNTIL(w, accepted->downs);
	return end->peer.resumed;
}

static void second_time(void **state)
{
	static const char *const names[][2] = {{"server", "client"}, {"rsa-server", "rsa-client"}};

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		struct credentials *c = pki_credentials(names[i][1], "ca.pem", NULL);
		struct world w;

		world_start(&w, kind_of(state), names[i][0]);
		assert_false(visit(&w, c, PKI_SERVER));
		for (unsigned n = 0; n < 4; n++)
			assert_true(visit(&w, c, PKI_SERVER));
		credentials_free(c);
		world_stop(&w);
	}
}

static void for_one_name_and_credentials(void **state)
{
	struct credentials *c = pki_credentials("client", "ca.pem", NULL);
	struct credentials *other = pki_credentials("client", "ca.pem", NULL);
	struct world w;

	world_start(&w, kind_of(state), "server");
	assert_false(visit(&w, c, PKI_SERVER));
	assert_false(visit(&w, c, "alias.example"));
	assert_false(visit(&w, other, PKI_SERVER));
	assert_true(visit(&w, c, PKI_SERVER));
	assert_true(visit(&w, c, "alias.example"));
	credentials_free(other);
	credentials_free(c);
	world_stop(&w);
}

// The key of the tickets is the credentials'.
static void listener_opened_again(void **state)
{
	struct credentials *listener = pki_credentials("server", "ca.pem", NULL);
	struct credentials *c = pki_credentials("client", "ca.pem", NULL);
	struct world w;

	world_start(&w, kind_of(state), NULL);
	world_listen(&w, listener, 0);
	assert_false(visit(&w, c, PKI_SERVER));
	listener_close(w.listener);
	world_listen(&w, listener, w.port);
	assert_true(visit(&w, c, PKI_SERVER));
	// loaded anew: a new key, so that a new CRL is not passed by
	credentials_free(listener);
	listener_close(w.listener);
	listener = pki_credentials("server", "ca.pem", NULL);
	world_listen(&w, listener, w.port);
	assert_false(visit(&w, c, PKI_SERVER));
	assert_true(visit(&w, c, PKI_SERVER));
	credentials_free(listener);
	credentials_free(c);
	world_stop(&w);
}

// The key changes daily, and is good for three days after that.
static void keys_age(void **state)
{
	struct credentials *c = pki_credentials("client", "ca.pem", NULL);
	struct credentials *other = pki_credentials("client", "ca.pem", NULL);
	const uint64_t day = 24 * 3600 * CLOCK_SECOND;
	struct world w;

	world_start(&w, kind_of(state), "server");
	assert_false(visit(&w, c, PKI_SERVER));
	clock_advance(day + 1);
	assert_false(visit(&w, other, PKI_SERVER)); // makes the second key
	clock_advance(day);
	assert_true(visit(&w, c, PKI_SERVER)); // and c has a new ticket
	clock_advance(4 * day);
	assert_false(visit(&w, c, PKI_SERVER));
	assert_true(visit(&w, c, PKI_SERVER));
	credentials_free(other);
	credentials_free(c);
	world_stop(&w);
}

// A ticket that led to no association is not offered again: it might be the reason.
static void forgotten_after_failure(void **state)
{
	struct credentials *c = pki_credentials("client", "ca.pem", NULL);
	enum transport_kind kind = kind_of(state);
	struct end *end;
	struct world w;
	struct raw raw;

	world_start(&w, kind, "server");
	assert_false(visit(&w, c, PKI_SERVER));
	raw_start(&raw,
		&(struct raw_spec){
			.kind = kind,
			.listen = true,
			.ciphers = "ADH-AES128-GCM-SHA256",
			.version = kind == TRANSPORT_DTLS ? DTLS1_2_VERSION : TLS1_2_VERSION,
		});
	end = world_dial_with(&w, c, PKI_SERVER, raw_listen(&raw));
	RUN_UNTIL(&w, (raw_step(&raw), end->downs));
	assert_false(visit(&w, c, PKI_SERVER));
	assert_true(visit(&w, c, PKI_SERVER));
	raw_stop(&raw);
	credentials_free(c);
	world_stop(&w);
}

// Tickets of 64 names are kept; those not used for longest go first.
static void box_is_bounded(void **state)
{
	struct credentials *c = pki_credentials("client", "ca.pem", NULL);
	char names[70 * 16] = "", name[24];
	struct world w;
	size_t used = 0;

	for (unsigned i = 0; i < 65; i++)
		used += (size_t)snprintf(
			names + used, sizeof(names) - used, "%sDNS:n%u.test", i ? "," : "", i);
	pki_issue(&(struct pki_spec){.name = "many", .dns = names, .issuer = "ca"});
	world_start(&w, kind_of(state), "many");
	for (unsigned i = 0; i < 65; i++) {
		snprintf(name, sizeof(name), "n%u.test", i);
		assert_false(visit(&w, c, name));
	}
	assert_true(visit(&w, c, "n64.test"));
	assert_true(visit(&w, c, "n1.test"));
	assert_false(visit(&w, c, "n0.test"));
	assert_false(visit(&w, c, "n2.test")); // made room for n0
	assert_true(visit(&w, c, "n1.test"));
	credentials_free(c);
	world_stop(&w);
}

// Early data could be replayed (RFC 8446 section 8): a ticket does not allow any.
static void no_early_data(void **)
{
	struct world w;
	struct raw raw;

	world_start(&w, TRANSPORT_TLS, "server");
	raw_start(&raw, &(struct raw_spec){.kind = TRANSPORT_TLS, .name = "client"});
	SSL_CTX_set_session_cache_mode(raw.context, SSL_SESS_CACHE_CLIENT);
	raw_dial(&raw, w.port);
	RUN_UNTIL(&w, raw_step(&raw) && SSL_SESSION_is_resumable(SSL_get0_session(raw.ssl)));
	assert_int_equal(SSL_SESSION_get_max_early_data(SSL_get0_session(raw.ssl)), 0);
	raw_stop(&raw);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BOTH(second_time),
		WITH_BOTH(for_one_name_and_credentials),
		WITH_BOTH(listener_opened_again),
		WITH_BOTH(keys_age),
		WITH_BOTH(forgotten_after_failure),
		WITH_BOTH(box_is_bounded),
		cmocka_unit_test(no_early_data),
	};

	pki_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
