// SPDX-License-Identifier: BSD-3-Clause

// Pre-shared keys in the place of certificates (RFC 9132 section 7.1, RFC 5489, RFC 8446 section
// 4.2.9): the right key, a wrong one, one nobody has, and what has no forward secrecy.

#include "base/bits.h"
#include "base/clock.h"

#include "pki.h"
#include "raw.h"
#include "world.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ONE   "000102030405060708090a0b0c0d0e0f"
#define TWO   "101112131415161718191a1b1c1d1e1f"
#define OTHER "ffffffffffffffffffffffffffffffff"

static struct credentials *load(const char *file, const char *identity)
{
	const struct credentials_files files = {
		.psk_file = pki_path(file), .psk_identity = identity};
	struct err err = {0};
	struct credentials *c = credentials_load(&files, &err);

	assert_string_equal(err.text, "");
	assert_non_null(c);
	return c;
}

static void write_keys(const char *name, const char *text)
{
	pki_write(name, text);
	assert_int_equal(chmod(pki_path(name), 0600), 0);
}

static void listen_for_all(struct world *w, enum transport_kind kind)
{
	struct credentials *c = load("all.psk", NULL);

	world_start(w, kind, NULL);
	world_listen(w, c, 0);
	credentials_free(c);
}

static struct end *dial(struct world *w, const char *file, const char *identity)
{
	struct credentials *c = load(file, identity);
	struct end *end = world_dial_with(w, c, "127.0.0.1", w->port); // a name is not needed

	credentials_free(c);
	return end;
}

static void right_keys(void **state)
{
	static const char *const identities[] = {"home-1", "home-2", "home-1"};
	enum transport_kind kind = kind_of(state);
	struct world w;

	listen_for_all(&w, kind);
	for (unsigned i = 0; i < ARRAY_LEN(identities); i++) {
		struct end *end = dial(&w, "all.psk", identities[i]), *accepted;

		RUN_UNTIL(&w, end->ups && w.n_accepted == i + 1);
		accepted = w.accepted[i];
		assert_true(end->peer.psk && accepted->peer.psk);
		assert_string_equal(accepted->peer.name, identities[i]);
		assert_string_equal(accepted->peer.spki, "");
		assert_false(end->peer.resumed || accepted->peer.resumed);
		assert_string_equal(end->peer.cipher,
			kind == TRANSPORT_DTLS ? "ECDHE-PSK-CHACHA20-POLY1305"
					       : "TLS_AES_128_GCM_SHA256");
		world_send(end, 100, 1);
		world_send(accepted, 200, 2);
		RUN_UNTIL(&w, end->messages && accepted->messages);
	}
	world_stop(&w);
}

// After a reload a key that is in the file no more opens nothing; the session it has opened goes on.
static void taken_away(void **state)
{
	enum transport_kind kind = kind_of(state);
	struct credentials *fewer;
	struct end *before, *after, *other;
	struct world w;
	struct err err;

	listen_for_all(&w, kind);
	w.timeout_ns = 30 * CLOCK_SECOND;
	before = dial(&w, "all.psk", "home-1");
	RUN_UNTIL(&w, before->ups && w.n_accepted == 1);
	fewer = load("two.psk", NULL);
	assert_int_equal(listener_renew(w.listener, fewer, &err), 0);
	credentials_free(fewer);
	after = dial(&w, "all.psk", "home-1");
	if (kind == TRANSPORT_DTLS) {
		RUN_UNTIL(&w, listener_counters(w.listener)->started == 2);
		world_settle(&w);
		world_wait(&w, 30);
	}
	RUN_UNTIL(&w, after->downs && w.failed);
	assert_int_equal(after->ups, 0);
	other = dial(&w, "all.psk", "home-2");
	RUN_UNTIL(&w, other->ups && w.n_accepted == 2);
	world_send(before, 100, 1);
	RUN_UNTIL(&w, w.accepted[0]->messages);
	assert_int_equal(before->downs, 0);
	world_stop(&w);
}

static unsigned on_client(
	SSL *, const char *, char *identity, unsigned room, uint8_t *key, unsigned key_room)
{
	assert_true(key_room >= 16);
	snprintf(identity, room, "home-1");
	for (unsigned i = 0; i < 16; i++)
		key[i] = (uint8_t)i;
	return 16;
}

static void raw_start_psk(
	struct raw *raw, enum transport_kind kind, int version, const char *ciphers)
{
	raw_start(raw, &(struct raw_spec){.kind = kind, .version = version, .ciphers = ciphers});
	SSL_CTX_set_psk_client_callback(raw->context, on_client);
}

// TLS 1.2 as well, and the key's right to be written by others than us.
static void version_1_2(void **state)
{
	enum transport_kind kind = kind_of(state);
	struct raw raw;
	struct world w;

	listen_for_all(&w, kind);
	raw_start_psk(&raw, kind, kind == TRANSPORT_DTLS ? DTLS1_2_VERSION : TLS1_2_VERSION, NULL);
	raw_dial(&raw, w.port);
	RUN_UNTIL(&w, raw_step(&raw) && w.n_accepted);
	assert_string_equal(w.accepted[0]->peer.name, "home-1");
	assert_string_equal(w.accepted[0]->peer.cipher, "ECDHE-PSK-CHACHA20-POLY1305");
	// nothing is given out that would outlive the key
	assert_false(SSL_SESSION_has_ticket(SSL_get0_session(raw.ssl)));
	raw_stop(&raw);
	world_stop(&w);
}

// One attempt with a file of other keys: what each side says of it. Over DTLS nothing is heard of a
// wrong key, for what cannot be opened is thrown away (RFC 6347 section 4.1.2.7).
static void refuse(
	enum transport_kind kind, const char *identity, struct err *down, struct err *failed)
{
	struct end *end;
	struct world w;

	listen_for_all(&w, kind);
	w.timeout_ns = 30 * CLOCK_SECOND;
	end = dial(&w, "wrong.psk", identity);
	if (kind == TRANSPORT_DTLS) {
		RUN_UNTIL(&w, listener_counters(w.listener)->started);
		world_settle(&w);
		world_wait(&w, 30);
	}
	RUN_UNTIL(&w, end->downs && w.failed);
	assert_int_equal(end->ups, 0);
	assert_int_equal(w.n_accepted, 0);
	assert_int_equal(w.unproven, 1); // for the drop-list
	*down = end->why;
	*failed = w.failure;
	world_stop(&w);
}

// Who tries identities learns nothing of which there are (RFC 4279 section 2).
static void wrong_key_and_unknown_identity(void **state)
{
	enum transport_kind kind = kind_of(state);
	struct err wrong, unknown, wrong_here, unknown_here;

	refuse(kind, "home-1", &wrong, &wrong_here);
	refuse(kind, "nobody", &unknown, &unknown_here);
	assert_string_equal(unknown.text, wrong.text);
	assert_text_has(wrong.text,
		kind == TRANSPORT_DTLS ? "the peer stopped answering, as it does if the keys differ"
				       : "the peer refused our identity or pre-shared key (alert ");
	assert_text_has(wrong_here.text,
		kind == TRANSPORT_DTLS ? "the peer stopped answering"
				       : "the peer's pre-shared key is not ours");
	// we know better
	assert_text_has(unknown_here.text, "there is no pre-shared key of identity nobody");
}

// The same of TLS 1.2, where it shows in the first record that is sealed.
static void wrong_key_1_2(void **)
{
	char why[2][256];

	for (unsigned unknown = 0; unknown < 2; unknown++) {
		struct credentials *c = load(unknown ? "two.psk" : "wrong.psk", NULL);
		struct raw raw;
		struct world w;

		world_start(&w, TRANSPORT_TLS, NULL);
		world_listen(&w, c, 0);
		credentials_free(c);
		raw_start_psk(&raw, TRANSPORT_TLS, TLS1_2_VERSION, NULL);
		raw_dial(&raw, w.port);
		RUN_UNTIL(&w, (raw_step(&raw), raw.failed && w.failed));
		assert_int_equal(w.unproven, 1);
		assert_text_has(w.failure.text,
			unknown ? "there is no pre-shared key of identity home-1"
				: "the peer's pre-shared key is not ours");
		snprintf(why[unknown], sizeof(why[unknown]), "%s", raw.why);
		raw_stop(&raw);
		world_stop(&w);
	}
	assert_string_equal(why[0], why[1]);
	assert_text_has(why[0], "bad record mac");
}

// No forward secrecy, no session (RFC 9132 section 7.1).
static void plain_psk(void **state)
{
	static const char *const ciphers[] = {"PSK-AES128-GCM-SHA256:PSK-CHACHA20-POLY1305",
		"PSK-AES128-CCM8", "DHE-PSK-AES128-GCM-SHA256", "ECDHE-PSK-AES128-CBC-SHA256",
		"ECDHE-ECDSA-AES128-GCM-SHA256", "ADH-AES128-GCM-SHA256"};
	enum transport_kind kind = kind_of(state);

	for (unsigned i = 0; i < ARRAY_LEN(ciphers); i++) {
		struct raw raw;
		struct world w;

		listen_for_all(&w, kind);
		raw_start_psk(&raw, kind, kind == TRANSPORT_DTLS ? DTLS1_2_VERSION : TLS1_2_VERSION,
			ciphers[i]);
		raw_dial(&raw, w.port);
		RUN_UNTIL(&w, (raw_step(&raw), raw.failed && w.failed));
		assert_text_has(w.failure.text, "no cipher suite in common");
		assert_int_equal(w.n_accepted, 0);
		raw_stop(&raw);
		world_stop(&w);
	}
}

// psk_ke of TLS 1.3, to a client that would go without a key exchange if the groups differ.
static void plain_psk_1_3(void **)
{
	static char group[] = "P-521";
	struct raw raw;
	struct world w;

	listen_for_all(&w, TRANSPORT_TLS);
	raw_start_psk(&raw, TRANSPORT_TLS, TLS1_3_VERSION, NULL);
	SSL_CTX_set_options(raw.context, SSL_OP_ALLOW_NO_DHE_KEX);
	assert_int_equal(SSL_CTX_set1_groups_list(raw.context, group), 1);
	raw_dial(&raw, w.port);
	RUN_UNTIL(&w, (raw_step(&raw), raw.failed && w.failed));
	assert_text_has(w.failure.text, "no key exchange group in common");
	raw_stop(&raw);
	world_stop(&w);
}

// A certificate is no way around the key, on either side.
static void certificates_instead(void **state)
{
	enum transport_kind kind = kind_of(state);
	struct raw raw;
	struct end *end;
	struct world w;

	listen_for_all(&w, kind);
	raw_start(&raw, &(struct raw_spec){.kind = kind, .name = "client"});
	raw_dial(&raw, w.port);
	RUN_UNTIL(&w, (raw_step(&raw), raw.failed && w.failed));
	assert_int_equal(w.n_accepted, 0);
	raw_stop(&raw);
	world_stop(&w);

	world_start(&w, kind, "server");
	end = dial(&w, "all.psk", "home-1");
	RUN_UNTIL(&w, end->downs);
	assert_int_equal(end->ups, 0);
	world_stop(&w);
}

static void refused(const struct credentials_files *files, const char *reason)
{
	struct err err = {0};

	assert_null(credentials_load(files, &err));
	assert_text_has(err.text, reason);
}

static void files(void **)
{
	static const struct {
		const char *text, *reason;
	} rows[] = {
		{"", "no key in it"},
		{"# a comment\n\n", "no key in it"},
		{"home-1\n", "line 1: no colon. Allowed: IDENTITY:KEY"},
		{"home-1:" ONE "\n:" TWO "\n", "line 2: not an identity. Allowed: 1 to 128"},
		{"home 1:" ONE "\n", "line 1: not an identity"},
		{"home-1:000102030405060708090a0b0c0d0e\n",
			"line 1: not a key. Allowed: 32 to 128"},
		{"home-1:" ONE "0\n", "line 1: not a key"},
		{"home-1:secret\n", "line 1: not a key"},
		{"home-1:" ONE ONE ONE ONE "00\n", "line 1: not a key"},
		{"a:" ONE "\nb:" TWO "\na:" TWO "\n", "identity a has two"},
	};
	struct credentials_files f = {.psk_file = pki_path("bad.psk")};
	struct credentials *c;

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		write_keys("bad.psk", rows[i].text);
		refused(&f, rows[i].reason);
	}
	write_keys("bad.psk", "home-1:" ONE "\r\n# home-2 is gone\nhome-3:" ONE ONE ONE ONE);
	f.psk_identity = "home-2";
	refused(&f, "no key of identity home-2 in it");
	f.psk_identity = NULL;
	assert_int_equal(chmod(pki_path("bad.psk"), 0640), 0);
	refused(&f, "bad.psk has mode 0640: others than its owner may use it");
	f.certificate = "x.pem";
	refused(&f, "both pre-shared keys and a certificate are named");
	refused(&(struct credentials_files){.psk_identity = "home-1"},
		"no file of pre-shared keys is named");
	refused(&(struct credentials_files){.psk_file = "/nowhere/psk"},
		"pre-shared keys /nowhere/psk: No such file");
	assert_int_equal(chmod(pki_path("bad.psk"), 0400), 0);
	c = load("bad.psk", NULL);
	assert_true(credentials_have_psk(c, "home-1") && credentials_have_psk(c, "home-3"));
	assert_false(credentials_have_psk(c, "home-2") || credentials_have_psk(c, "HOME-1"));
	assert_int_equal(credentials_not_after(c), 0);
	credentials_free(c);
}

// The identity is what the cuid is made of: echo -n home-1 | openssl sha256 (RFC 9132 section 4.4.1.1).
static void cuid(void **)
{
	struct credentials *c = load("all.psk", "home-1");

	assert_string_equal(credentials_cuid(c), "-x6802yesa__6P87_urczA");
	credentials_free(c);
	c = load("all.psk", NULL);
	assert_string_equal(credentials_cuid(c), "");
	credentials_free(c);
}

// Who dials has to know by which identity.
static void dial_without_identity(void **state)
{
	struct credentials *c = load("all.psk", NULL);
	enum transport_kind kind = kind_of(state);
	struct dial to = {.port = 1, .server_name = PKI_SERVER, .timeout_ns = CLOCK_SECOND};
	static const struct transport_events none;
	struct err err = {0};
	struct world w;

	world_start(&w, kind, NULL);
	to.addr = w.addr;
	assert_null(
		(kind == TRANSPORT_DTLS ? dtls_dial : tls_dial)(w.loop, c, &to, &none, NULL, &err));
	assert_text_has(err.text, "no identity is named");
	credentials_free(c);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BOTH(right_keys),
		WITH_BOTH(taken_away),
		WITH_BOTH(version_1_2),
		WITH_BOTH(wrong_key_and_unknown_identity),
		cmocka_unit_test(wrong_key_1_2),
		WITH_BOTH(plain_psk),
		cmocka_unit_test(plain_psk_1_3),
		WITH_BOTH(certificates_instead),
		cmocka_unit_test(files),
		cmocka_unit_test(cuid),
		WITH_BOTH(dial_without_identity),
	};

	pki_start();
	write_keys("all.psk", "home-2:" TWO "\nhome-1:" ONE "\n");
	write_keys("wrong.psk", "home-1:" OTHER "\nnobody:" OTHER "\n");
	write_keys("two.psk", "home-2:" TWO "\n");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
