// SPDX-License-Identifier: BSD-3-Clause

#include "raw.h"

#include "pki.h"
#include "world.h"

#include <openssl/err.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int trust_anybody(int, X509_STORE_CTX *)
{
	return 1;
}

void raw_start(struct raw *raw, const struct raw_spec *spec)
{
	const SSL_METHOD *method = spec->kind == TRANSPORT_DTLS
		? spec->listen ? DTLS_server_method() : DTLS_client_method()
		: spec->listen ? TLS_server_method()
			       : TLS_client_method();

	*raw = (struct raw){.kind = spec->kind, .listening = -1, .fd = -1};
	raw->context = SSL_CTX_new(method);
	SSL_CTX_set_security_level(raw->context, 0);
	SSL_CTX_set_verify(raw->context, SSL_VERIFY_PEER, trust_anybody);
	SSL_CTX_set_min_proto_version(raw->context, spec->version);
	SSL_CTX_set_max_proto_version(raw->context, spec->version);
	if (spec->ciphers)
		assert_int_equal(SSL_CTX_set_cipher_list(raw->context, spec->ciphers), 1);
	if (spec->name) {
		X509 *x = pki_certificate(spec->name);
		EVP_PKEY *key = pki_key(spec->name);

		assert_int_equal(SSL_CTX_use_cert_and_key(raw->context, x, key, NULL, 1), 1);
		EVP_PKEY_free(key);
		X509_free(x);
	}
	ERR_clear_error();
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static int open_socket(const struct raw *raw)
{
	int fd = socket(AF_INET, raw->kind == TRANSPORT_DTLS ? SOCK_DGRAM : SOCK_STREAM, 0);

	assert_true(fd >= 0);
	return fd;
}

static void attach(struct raw *raw)
{
	BIO *bio = raw->kind == TRANSPORT_DTLS ? BIO_new_dgram(raw->fd, BIO_NOCLOSE)
					       : BIO_new_socket(raw->fd, BIO_NOCLOSE);

	assert_int_equal(fcntl(raw->fd, F_SETFL, O_NONBLOCK), 0);
	if (raw->kind == TRANSPORT_DTLS) {
		struct sockaddr_storage peer;
		socklen_t length = sizeof(peer);

		assert_int_equal(getpeername(raw->fd, (struct sockaddr *)&peer, &length), 0);
		BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &peer);
	}
	raw->ssl = SSL_new(raw->context);
	SSL_set_bio(raw->ssl, bio, bio);
}

void raw_dial(struct raw *raw, uint16_t port)
{
	struct sockaddr_in at = loopback(port);

	raw->fd = open_socket(raw);
	assert_int_equal(connect(raw->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	attach(raw);
	SSL_set_connect_state(raw->ssl);
}

uint16_t raw_listen(struct raw *raw)
{
	struct sockaddr_in at = loopback(0);
	socklen_t length = sizeof(at);

	raw->listening = open_socket(raw);
	assert_int_equal(bind(raw->listening, (struct sockaddr *)&at, sizeof(at)), 0);
	if (raw->kind == TRANSPORT_TLS)
		assert_int_equal(listen(raw->listening, 1), 0);
	assert_int_equal(getsockname(raw->listening, (struct sockaddr *)&at, &length), 0);
	assert_int_equal(fcntl(raw->listening, F_SETFL, O_NONBLOCK), 0);
	return ntohs(at.sin_port);
}

// The first peer that comes is the only one.
static bool meet(struct raw *raw)
{
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);
	char byte;

	if (raw->kind == TRANSPORT_TLS) {
		raw->fd = accept(raw->listening, NULL, NULL);
		if (raw->fd < 0)
			return false;
	} else {
		if (recvfrom(raw->listening, &byte, 1, MSG_PEEK, (struct sockaddr *)&from,
			    &length) < 0)
			return false;
		raw->fd = raw->listening;
		raw->listening = -1;
		assert_int_equal(connect(raw->fd, (struct sockaddr *)&from, length), 0);
	}
	attach(raw);
	SSL_set_accept_state(raw->ssl);
	return true;
}

static void failed(struct raw *raw, int r)
{
	unsigned long e = ERR_peek_error();

	switch (SSL_get_error(raw->ssl, r)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		break;
	default:
		raw->failed = true;
		ERR_error_string_n(e, raw->why, sizeof(raw->why));
	}
	ERR_clear_error();
}

bool raw_step(struct raw *raw)
{
	int r;

	if (raw->failed || (!raw->ssl && !meet(raw)))
		return raw->up;
	ERR_clear_error();
	if (!raw->up) {
		r = SSL_do_handshake(raw->ssl);
		raw->up = r == 1;
		if (r != 1) {
			failed(raw, r);
			return raw->up;
		}
	}
	r = SSL_read(raw->ssl, raw->data + raw->length, (int)(sizeof(raw->data) - raw->length));
	if (r > 0)
		raw->length += (size_t)r;
	else
		failed(raw, r);
	return raw->up;
}

void raw_send(struct raw *raw, const void *data, size_t length)
{
	assert_int_equal(SSL_write(raw->ssl, data, (int)length), (int)length);
}

void raw_stop(struct raw *raw)
{
	SSL_free(raw->ssl);
	SSL_CTX_free(raw->context);
	if (raw->fd >= 0)
		close(raw->fd);
	if (raw->listening >= 0)
		close(raw->listening);
	ERR_clear_error();
}
