// SPDX-License-Identifier: BSD-3-Clause

// Who is not let in, and what each side is told: mutual authentication (RFC 9066 section 8), the
// listener's name (RFC 9132 section 7.1), and the least that RFC 7525 asks of parameters.

#include "base/bits.h"
#include "base/clock.h"

#include "pki.h"
#include "raw.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

// One attempt of our own two sides, with these files: "NAME" for certificate and key.
struct attempt {
	const char *listener, *listener_ca, *listener_crl;
	const char *dialler, *dialler_ca, *dialler_crl;
	const char *down;   // what the dialler hears; NULL if the association comes up and stays
	const char *failed; // what the listener's gate hears; NULL likewise
	bool unproven;
};

static void try(enum transport_kind kind, const struct attempt *a)
{
	struct credentials *listener, *dialler;
	struct end *end;
	struct world w;

	world_start(&w, kind, NULL);
	listener = pki_credentials(
		a->listener, a->listener_ca ? a->listener_ca : "ca.pem", a->listener_crl);
	dialler = pki_credentials(
		a->dialler, a->dialler_ca ? a->dialler_ca : "ca.pem", a->dialler_crl);
	world_listen(&w, listener, 0);
	end = world_dial_with(&w, dialler, PKI_SERVER, w.port);
	if (a->down) {
		RUN_UNTIL(&w, end->downs && w.failed);
		assert_text_has(end->why.text, a->down);
		assert_text_has(w.failure.text, a->failed);
		assert_int_equal(w.n_accepted, 0);
		assert_int_equal(w.unproven, a->unproven);
		assert_int_equal(listener_counters(w.listener)->failed, 1);
		// in TLS 1.3 a dialler is done before the listener has seen its certificate
		assert_int_equal(end->ups, kind == TRANSPORT_TLS && a->unproven);
	} else {
		RUN_UNTIL(&w, end->ups && w.n_accepted);
		world_settle(&w);
		assert_int_equal(end->downs + w.accepted[0]->downs, 0);
	}
	credentials_free(listener);
	credentials_free(dialler);
	world_stop(&w);
}

static void attempts(void **state)
{
	static const struct attempt rows[] = {
		{.listener = "server", .dialler = "client"},
		// CAs
		{.listener = "stranger",
			.dialler = "client",
			.down = "unknown CA CN=other-ca (it signed the certificate of CN=stranger)",
			.failed = "the peer refused our certificate: unknown CA (alert 48)"},
		{.listener = "self-signed",
			.dialler = "client",
			.down = "unknown CA CN=self-signed",
			.failed = "the peer refused our certificate: unknown CA (alert 48)"},
		{.listener = "server",
			.dialler = "stranger",
			.down = "the peer refused our certificate: unknown CA (alert 48)",
			.failed = "unknown CA CN=other-ca (it signed the certificate of "
				  "CN=stranger)",
			.unproven = true},
		{.listener = "server",
			.dialler = "self-signed",
			.down = "the peer refused our certificate: unknown CA (alert 48)",
			.failed = "unknown CA CN=self-signed",
			.unproven = true},
		// chains
		{.listener = "chained", .dialler = "chained"},
		{.listener = "unchained",
			.dialler = "client",
			.down = "unknown CA CN=mid (it signed the certificate of CN=unchained)",
			.failed = "unknown CA (alert 48)"},
		{.listener = "server",
			.dialler = "unchained",
			.down = "unknown CA (alert 48)",
			.failed = "unknown CA CN=mid",
			.unproven = true},
		// names
		{.listener = "other-name",
			.dialler = "client",
			.down = "certificate is for other.example, third.example, expected "
				"server.example",
			.failed = "the peer refused our certificate: bad certificate (alert 42)"},
		{.listener = "wildcard",
			.dialler = "client",
			.down = "certificate is for *.example, expected server.example",
			.failed = "bad certificate (alert 42)"},
		{.listener = "cn-only",
			.dialler = "client",
			.down = "certificate has no DNS name (subject CN=server.example), "
				"expected server.example",
			.failed = "bad certificate (alert 42)"},
		// a dialler is known by its certificate, whatever its names are
		{.listener = "server", .dialler = "cn-only"},
		// revocation
		{.listener = "server",
			.listener_crl = "ca.crl",
			.dialler = "client",
			.dialler_crl = "ca.crl"},
		{.listener = "revoked",
			.dialler = "client",
			.dialler_crl = "ca.crl",
			.down = "certificate has been revoked (subject CN=revoked)",
			.failed = "the peer refused our certificate: revoked (alert 44)"},
		{.listener = "server",
			.listener_crl = "ca.crl",
			.dialler = "revoked",
			.down = "the peer refused our certificate: revoked (alert 44)",
			.failed = "certificate has been revoked (subject CN=revoked)",
			.unproven = true},
		{.listener = "server",
			.listener_crl = "ca.crl",
			.dialler = "chained",
			.down = "the peer refused our certificate",
			.failed = "no revocation list of CN=mid is at hand",
			.unproven = true},
		{.listener = "server", .listener_crl = "ca-and-mid.crl", .dialler = "chained"},
		{.listener = "server",
			.listener_crl = "old.crl",
			.dialler = "client",
			.down = "the peer refused our certificate",
			.failed = "the revocation list of CN=ca is out of date",
			.unproven = true},
	};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		try(kind_of(state), &rows[i]);
}

// A peer that our own code would not play: plain OpenSSL dials our listener.
struct guest {
	const char *what;
	const char *name;     // of its certificate; NULL: none
	const char *listener; // NULL: "server"
	const char *ciphers;
	int version_of_tls, version_of_dtls;
	const char *failed;
	bool unproven;
};

static void guests(void **state)
{
	static const struct guest rows[] = {
		{.what = "no certificate",
			.failed = "no certificate was presented",
			.unproven = true},
		{.what = "no certificate, 1.2",
			.version_of_tls = TLS1_2_VERSION,
			.version_of_dtls = DTLS1_2_VERSION,
			.failed = "no certificate was presented",
			.unproven = true},
		{.what = "expired",
			.name = "expired",
			.failed = "certificate has expired on 20",
			.unproven = true},
		{.what = "not yet valid",
			.name = "early",
			.failed = "certificate is not valid before 20",
			.unproven = true},
		{.what = "not for dialling",
			.name = "server-only",
			.failed = "its key usages lack clientAuth (subject CN=server-only)",
			.unproven = true},
		{.what = "old version",
			.name = "client",
			.version_of_tls = TLS1_1_VERSION,
			.version_of_dtls = DTLS1_VERSION,
			.failed = "protocol version too old: 1.2 is the least"},
		{.what = "CBC",
			.name = "client",
			.ciphers = "ECDHE-ECDSA-AES128-SHA256",
			.version_of_tls = TLS1_2_VERSION,
			.version_of_dtls = DTLS1_2_VERSION,
			.failed = "no cipher suite in common"},
		{.what = "CCM with a short tag",
			.name = "client",
			.ciphers = "ECDHE-ECDSA-AES128-CCM8",
			.version_of_tls = TLS1_2_VERSION,
			.version_of_dtls = DTLS1_2_VERSION,
			.failed = "no cipher suite in common"},
		{.what = "key transport",
			.name = "client",
			.listener = "rsa-server",
			.ciphers = "AES128-GCM-SHA256",
			.version_of_tls = TLS1_2_VERSION,
			.version_of_dtls = DTLS1_2_VERSION,
			.failed = "no cipher suite in common"},
		{.what = "anonymous",
			.ciphers = "ADH-AES128-GCM-SHA256:AECDH-AES128-SHA",
			.version_of_tls = TLS1_2_VERSION,
			.version_of_dtls = DTLS1_2_VERSION,
			.failed = "no cipher suite in common"},
	};
	enum transport_kind kind = kind_of(state);

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		const struct guest *g = &rows[i];
		struct world w;
		struct raw raw;

		world_start(&w, kind, g->listener ? g->listener : "server");
		raw_start(&raw,
			&(struct raw_spec){
				.kind = kind,
				.name = g->name,
				.ciphers = g->ciphers,
				.version = kind == TRANSPORT_DTLS ? g->version_of_dtls
								  : g->version_of_tls,
			});
		raw_dial(&raw, w.port);
		RUN_UNTIL(&w, (raw_step(&raw), raw.failed && w.failed));
		if (!strstr(w.failure.text, g->failed) || w.unproven != g->unproven)
			fail_msg("%s: %s", g->what, w.failure.text);
		assert_int_equal(w.n_accepted, 0);
		raw_stop(&raw);
		world_stop(&w);
	}
}

// And plain OpenSSL listens, we dial.
static void hosts(void **state)
{
	static const struct {
		const char *what, *name, *ciphers;
		int version_of_tls, version_of_dtls;
		const char *down, *down_of_dtls;
	} rows[] = {
		{.what = "expired", .name = "expired", .down = "certificate has expired on 20"},
		{.what = "not yet valid",
			.name = "early",
			.down = "certificate is not valid before 20"},
		{.what = "not for listening",
			.name = "client-only",
			.down = "its key usages lack serverAuth (subject CN=client-only)"},
		{.what = "old version",
			.name = "server",
			.version_of_tls = TLS1_1_VERSION,
			.version_of_dtls = DTLS1_VERSION,
			.down = "the peer takes none of our protocol versions (alert 70)",
			// its suites come first here: 1.0 has no AEAD
			.down_of_dtls = "the peer found no parameters in common with ours"},
		{.what = "CBC",
			.name = "server",
			.ciphers = "ECDHE-ECDSA-AES128-SHA256",
			.version_of_tls = TLS1_2_VERSION,
			.version_of_dtls = DTLS1_2_VERSION,
			.down = "the peer found no parameters in common with ours (alert 40)"},
		{.what = "anonymous",
			.ciphers = "ADH-AES128-GCM-SHA256",
			.version_of_tls = TLS1_2_VERSION,
			.version_of_dtls = DTLS1_2_VERSION,
			.down = "the peer found no parameters in common with ours (alert 40)"},
	};
	enum transport_kind kind = kind_of(state);

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct credentials *c = pki_credentials("client", "ca.pem", NULL);
		const char *down = kind == TRANSPORT_DTLS && rows[i].down_of_dtls
			? rows[i].down_of_dtls
			: rows[i].down;
		struct end *end;
		struct world w;
		struct raw raw;

		world_start(&w, kind, NULL);
		raw_start(&raw,
			&(struct raw_spec){
				.kind = kind,
				.listen = true,
				.name = rows[i].name,
				.ciphers = rows[i].ciphers,
				.version = kind == TRANSPORT_DTLS ? rows[i].version_of_dtls
								  : rows[i].version_of_tls,
			});
		end = world_dial_with(&w, c, PKI_SERVER, raw_listen(&raw));
		RUN_UNTIL(&w, (raw_step(&raw), end->downs));
		if (!strstr(end->why.text, down))
			fail_msg("%s: %s", rows[i].what, end->why.text);
		assert_int_equal(end->ups, 0);
		raw_stop(&raw);
		credentials_free(c);
		world_stop(&w);
	}
}

static void dialler_sends_server_name(void **state)
{
	struct credentials *c = pki_credentials("client", "ca.pem", NULL);
	enum transport_kind kind = kind_of(state);
	struct end *end;
	struct world w;
	struct raw raw;

	world_start(&w, kind, NULL);
	raw_start(&raw, &(struct raw_spec){.kind = kind, .listen = true, .name = "server"});
	end = world_dial_with(&w, c, PKI_SERVER, raw_listen(&raw));
	RUN_UNTIL(&w, raw_step(&raw) && end->ups);
	assert_string_equal(SSL_get_servername(raw.ssl, TLSEXT_NAMETYPE_host_name), PKI_SERVER);
	raw_stop(&raw);
	credentials_free(c);
	world_stop(&w);
}

// Renegotiation is off (RFC 7525 section 3.5 would have it at least safe).
static void no_renegotiation(void **state)
{
	enum transport_kind kind = kind_of(state);
	struct world w;
	struct raw raw;

	world_start(&w, kind, "server");
	raw_start(&raw,
		&(struct raw_spec){
			.kind = kind,
			.name = "client",
			.version = kind == TRANSPORT_DTLS ? DTLS1_2_VERSION : TLS1_2_VERSION,
		});
	raw_dial(&raw, w.port);
	RUN_UNTIL(&w, raw_step(&raw) && w.n_accepted);
	assert_int_equal(SSL_renegotiate(raw.ssl), 1);
	raw.up = false; // so that raw_step() goes through with it
	RUN_UNTIL(&w, (raw_step(&raw), raw.failed));
	assert_text_has(raw.why, "no renegotiation");
	raw_stop(&raw);
	world_stop(&w);
}

// A resumed session is not verified again by OpenSSL: what expired since then must not come in.
static void expired_since(void **state)
{
	struct credentials *c;
	struct end *end, *accepted;
	struct world w;

	pki_issue(&(struct pki_spec){
		.name = "short", .dns = "DNS:short.example", .issuer = "ca", .to_days = 1});
	c = pki_credentials("short", "ca.pem", NULL);
	world_start(&w, kind_of(state), "server");
	for (unsigned i = 0; i < 2; i++) {
		end = world_dial_with(&w, c, PKI_SERVER, w.port);
		RUN_UNTIL(&w, end->ups && w.n_accepted == i + 1);
		world_settle(&w);
		assert_int_equal(end->peer.resumed, i);
		accepted = w.accepted[i];
		transport_close(end->transport);
		end->transport = NULL;
		RUN_UNTIL(&w, accepted->downs);
	}
	clock_advance(36 * 3600 * CLOCK_SECOND);
	end = world_dial_with(&w, c, PKI_SERVER, w.port);
	RUN_UNTIL(&w, end->downs && w.failed);
	assert_text_has(w.failure.text, "certificate has expired on 20");
	assert_int_equal(w.unproven, 1);
	assert_int_equal(w.n_accepted, 2);
	credentials_free(c);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BOTH(attempts),
		WITH_BOTH(guests),
		WITH_BOTH(hosts),
		WITH_BOTH(dialler_sends_server_name),
		WITH_BOTH(no_renegotiation),
		WITH_BOTH(expired_since),
	};

	pki_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
