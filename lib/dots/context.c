// SPDX-License-Identifier: BSD-3-Clause

// What OpenSSL is told once for every association: the profile of RFC 9132 section 7 on top of
// RFC 7525, which it makes mandatory. Four contexts, one a side (dial, listen) and kind (DTLS,
// TLS), share one certificate, key and set of trusted CAs, or one set of pre-shared keys.

#include "base/bits.h"
#include "dots/credentials.h"
#include "dots/reason.h"

#include <openssl/err.h>

// (D)TLS 1.2: AEAD with an ephemeral ECDH only (RFC 9132 section 7.1, RFC 7525 section 4.2)
#define CIPHERS                                                                                    \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                               \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                               \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
// With pre-shared keys the only AEAD suite with an ephemeral ECDH that OpenSSL 3.0 has: it knows those
// of RFC 8442 no more than an ECDHE-PSK with CCM
#define CIPHERS_PSK "ECDHE-PSK-CHACHA20-POLY1305"
// such a key goes with SHA-256 (RFC 8446 section 4.2.11)
#define CIPHERS_PSK_13 "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
// OpenSSL's own list goes up to ffdhe8192, which a stranger may pick for us to compute
static char groups[] = "X25519:P-256:P-384"; // not const: OpenSSL's macro casts it

// What a stranger's certificate messages may take of our memory, and how far its chain may reach.
#define CHAIN_BYTES 16384
#define CHAIN_DEPTH 5

static const SSL_METHOD *method(enum side side, enum transport_kind kind)
{
	if (kind == TRANSPORT_DTLS)
		return side == SIDE_DIAL ? DTLS_client_method() : DTLS_server_method();
	return side == SIDE_DIAL ? TLS_client_method() : TLS_server_method();
}

static bool set_profile(SSL_CTX *context, enum transport_kind kind, bool psk)
{
	SSL_CTX_set_options(context,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
			SSL_OP_NO_QUERY_MTU);
	SSL_CTX_set_mode(context,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_security_level(context, 2);
	SSL_CTX_set_max_cert_list(context, CHAIN_BYTES);
	SSL_CTX_set_verify_depth(context, CHAIN_DEPTH);
	SSL_CTX_set_max_early_data(context, 0); // RFC 9132 section 7.2 would need a replay defence
	if (kind == TRANSPORT_TLS)
		SSL_CTX_set_read_ahead(context, 1);
	return SSL_CTX_set_min_proto_version(
		       context, kind == TRANSPORT_DTLS ? DTLS1_2_VERSION : TLS1_2_VERSION) &&
		SSL_CTX_set_cipher_list(context, psk ? CIPHERS_PSK : CIPHERS) &&
		SSL_CTX_set_ciphersuites(context, psk ? CIPHERS_PSK_13 : CIPHERS_13) &&
		SSL_CTX_set1_groups_list(context, groups);
}

// A session of the one kind is not to be resumed on the other.
static bool set_session_id(SSL_CTX *context, enum transport_kind kind)
{
	static const struct {
		const char *name;
		unsigned length;
	} id[] = {[TRANSPORT_DTLS] = {"dots-dtls", 9}, [TRANSPORT_TLS] = {"dots-tls", 8}};

	return SSL_CTX_set_session_id_context(
		context, (const uint8_t *)id[kind].name, id[kind].length);
}

static bool set_certificate(SSL_CTX *context, const struct credentials *c, enum side side)
{
	SSL_CTX_set1_cert_store(context, c->trust);
	if (!SSL_CTX_use_cert_and_key(context, c->certificate, c->key, c->chain, 1))
		return false;
	if (side == SIDE_DIAL) {
		ticket_collect(context);
		return true;
	}
	SSL_CTX_set_num_tickets(context, 1);
	return ticket_issue(context);
}

// No tickets: a handshake with a pre-shared key costs what one that resumes does, and a key that is
// taken away is of no use from then on.
static void set_psk(SSL_CTX *context, enum side side)
{
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(context, 0);
	if (side == SIDE_DIAL)
		psk_offer(context);
	else
		psk_ask(context);
}

static SSL_CTX *make(struct credentials *c, enum side side, enum transport_kind kind)
{
	SSL_CTX *context = SSL_CTX_new(method(side, kind));
	bool psk = credentials_use_psk(c);

	if (!context)
		return NULL;
	SSL_CTX_set_app_data(context, c);
	// with pre-shared keys no certificate is trusted, so none can take the place of the key
	SSL_CTX_set_verify(
		context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, reason_on_verify);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	if (!set_profile(context, kind, psk) ||
		(side == SIDE_LISTEN && !set_session_id(context, kind)) ||
		(!psk && !set_certificate(context, c, side))) {
		SSL_CTX_free(context);
		return NULL;
	}
	if (psk)
		set_psk(context, side);
	return context;
}

int context_make_all(struct credentials *c, struct err *err)
{
	for (unsigned i = 0; i < 4; i++) {
		SSL_CTX *context = make(c, i / 2, i % 2);
		const char *words;

		if (!context) {
			words = ERR_reason_error_string(ERR_peek_error());
			return err_set(err, "certificate or key cannot be used: %s",
				words ? words : "out of memory");
		}
		c->context[i / 2][i % 2] = context;
	}
	return 0;
}
