// SPDX-License-Identifier: BSD-3-Clause

// The life of an association, whichever kind it is: handshake, up, dead (association.h).

#include "dots/transport.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "dots/association.h"
#include "dots/listener.h"
#include "dots/reason.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *endpoint_text(const struct ipaddr *addr, uint16_t port, char out[ENDPOINT_TEXT])
{
	char text[IPADDR_TEXT];

	ipaddr_format(addr, text);
	snprintf(out, ENDPOINT_TEXT, addr->family == 6 ? "[%s]:%u" : "%s:%u", text, port);
	return out;
}

int transport_init(struct transport *t, const struct transport_ops *ops, enum side side,
	struct evloop *loop, struct credentials *credentials)
{
	BIO *bio;

	t->ops = ops;
	t->loop = loop;
	t->credentials = credentials_hold(credentials);
	t->ssl = SSL_new(credentials_context(credentials, side, ops->kind));
	bio = t->ssl ? bio_new(t) : NULL;
	if (!bio)
		return -ENOMEM;
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_app_data(t->ssl, t);
	if (side == SIDE_DIAL)
		SSL_set_connect_state(t->ssl);
	else
		SSL_set_accept_state(t->ssl);
	return 0;
}

// A name that X509_check_host() would read as something else than one whole DNS name: one that
// begins with a dot matches every name below it, an address is for another kind of check.
static int check_server_name(const char *name, struct err *err)
{
	struct ipaddr addr;

	if (!name || !*name)
		return err_set(err, "no server name is given to verify the peer by");
	if (strlen(name) > 253 || name[0] == '.' || strpbrk(name, "*/: "))
		return err_set(err, "server name \"%s\" is not a DNS name", name);
	if (!ipaddr_parse(name, &addr))
		return err_set(
			err, "server name \"%s\" is an address, it must be a DNS name", name);
	return 0;
}

static void on_deadline(struct timer *timer);

int transport_init_dial(struct transport *t, const struct dial *dial,
	const struct transport_events *events, void *ctx, struct err *err)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
	bool psk = credentials_use_psk(t->credentials);
	struct err ignored;
	bool named = check_server_name(dial->server_name, psk ? &ignored : err) == 0;

	if ((!named && !psk) || credentials_check_side(t->credentials, SIDE_DIAL, err) < 0)
		return -EINVAL;
	t->events = events;
	t->ctx = ctx;
	t->known = true;
	snprintf(t->peer.name, sizeof(t->peer.name), "%s",
		dial->server_name ? dial->server_name : "");
	// only a DNS-ID counts: no common name, no wildcard (RFC 9132 section 7.1)
	X509_VERIFY_PARAM_set_hostflags(
		param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS);
	t->timeout_ns = dial->timeout_ns;
	if (!X509_VERIFY_PARAM_set1_host(param, t->peer.name, 0) ||
		(named && !SSL_set_tlsext_host_name(t->ssl, t->peer.name)) ||
		timer_set(t->loop, &t->deadline, clock_now() + t->timeout_ns, on_deadline) < 0)
		return err_set(err, "out of memory");
	t->offered = ticket_offer(t);
	return 0;
}

void transport_free(struct transport *t)
{
	timer_stop(t->loop, &t->deadline);
	free(t->refused);
	SSL_free(t->ssl);
	credentials_free(t->credentials);
	ERR_clear_error();
	t->ops->free(t);
}

void transport_enter(struct transport *t)
{
	t->busy++;
	if (t->listener)
		listener_enter(t->listener);
}

void transport_leave(struct transport *t)
{
	struct listener *listener = t->listener;

	if (!--t->busy && t->state == STATE_DEAD)
		transport_free(t);
	if (listener)
		listener_leave(listener);
}

// From here on nothing of the association happens any more. Call between enter and leave.
static void die(struct transport *t)
{
	if (SSL_is_init_finished(t->ssl) && SSL_alloc_buffers(t->ssl)) {
		ERR_clear_error();
		SSL_shutdown(t->ssl); // says close_notify and does not wait for the answer
		ERR_clear_error();
	}
	t->state = STATE_DEAD;
	timer_stop(t->loop, &t->deadline);
	t->ops->detach(t);
	if (t->listener)
		listener_forget(t->listener, t);
}

void transport_close(struct transport *t)
{
	if (!t || t->state == STATE_DEAD)
		return;
	transport_enter(t);
	die(t);
	transport_leave(t);
}

void transport_fail(struct transport *t, const struct err *why)
{
	if (t->state == STATE_DEAD)
		return;
	transport_enter(t);
	// a ticket that led to nothing may be the reason: the next attempt goes without
	if (t->offered && t->state == STATE_HANDSHAKE)
		ticket_forget(t);
	die(t);
	if (t->known)
		t->events->down(t->ctx, t, why);
	else
		listener_failed(t->listener, t, why);
	transport_leave(t);
}

// A refusal by ICMP is not proof of anything, so it does not end a handshake over UDP; but an
// operator wants to know of it when nothing better came.
static void on_deadline(struct timer *timer)
{
	struct transport *t = CONTAINER_OF(timer, struct transport, deadline);
	bool psk = credentials_use_psk(t->credentials);
	const char *hint = t->refused ? t->refused
		: t->error            ? strerror(t->error)
		: t->heard && psk     ? "the peer stopped answering, as it does if the keys differ"
		: t->heard            ? "the peer stopped answering"
				      : "nothing was received";
	struct err why;

	// DTLS throws away what a wrong key has sealed, so that this is all that is seen of it
	t->unproven |= t->named;
	err_set(&why, "handshake timed out after %.3g s (%s)",
		(double)t->timeout_ns / (double)CLOCK_SECOND, hint);
	transport_fail(t, &why);
}

void transport_begin(struct transport *t, uint64_t timeout_ns)
{
	t->timeout_ns = timeout_ns;
	timer_set(t->loop, &t->deadline, clock_now() + timeout_ns, on_deadline);
}

int transport_handshake(struct transport *t, struct err *why)
{
	int r;

	ERR_clear_error();
	r = SSL_do_handshake(t->ssl);
	if (r == 1)
		return 1;
	switch (SSL_get_error(t->ssl, r)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return 0;
	default:
		reason_of(t, r, why);
		return -1;
	}
}

// What it is called the listener has learned in the handshake (psk.c).
static int learn_psk_peer(struct transport *t, struct err *why)
{
	if (!psk_was_used(t->ssl) || (t->listener && !t->peer.name[0])) {
		t->unproven = true;
		return err_set(why, "no pre-shared key was used");
	}
	t->peer.psk = true;
	return 0;
}

// A session that is resumed is not verified again, so what may have come to
// an end since then is looked at here; revocation is not, but a new CRL comes with new credentials
// and those take no old tickets.
static int learn_certified_peer(struct transport *t, struct err *why)
{
	X509 *certificate = SSL_get0_peer_certificate(t->ssl);

	if (!certificate) {
		t->unproven = true;
		return err_set(why, "no certificate was presented");
	}
	if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
		t->unproven = true;
		reason_expired(certificate, why);
		return -EINVAL;
	}
	if (t->listener)
		reason_first_name(certificate, t->peer.name, sizeof(t->peer.name));
	if (spki_of(certificate, t->peer.spki) < 0)
		return err_set(why, "out of memory");
	t->peer.not_after = certificate_end(certificate);
	t->peer.resumed = SSL_session_reused(t->ssl);
	return 0;
}

// Learns who the peer is.
static int learn_peer(struct transport *t, struct err *why)
{
	t->peer.cipher = SSL_get_cipher_name(t->ssl);
	t->peer.version = SSL_get_version(t->ssl);
	return credentials_use_psk(t->credentials) ? learn_psk_peer(t, why)
						   : learn_certified_peer(t, why);
}

void transport_is_up(struct transport *t)
{
	char where[ENDPOINT_TEXT];
	struct err why;

	timer_stop(t->loop, &t->deadline);
	t->error = 0;
	if (learn_peer(t, &why) < 0) {
		transport_fail(t, &why);
		return;
	}
	t->state = STATE_UP;
	if (t->listener) {
		listener_settle(t->listener, t);
		t->ctx = t->listener->accept(t->listener->ctx, t);
		if (t->state == STATE_DEAD)
			return;
		if (!t->ctx) {
			log_info("dots", "%s (%s) is not let in",
				endpoint_text(&t->peer.addr, t->peer.port, where),
				t->peer.name[0] ? t->peer.name : t->peer.spki);
			transport_close(t);
			return;
		}
		t->known = true;
	} else if (t->peer.resumed && SSL_version(t->ssl) != TLS1_3_VERSION) {
		// before 1.3 OpenSSL does not report the new ticket of a resumed session
		ticket_keep(t, SSL_get0_session(t->ssl));
	}
	t->events->up(t->ctx, t);
}

void transport_read_ended(struct transport *t, int r)
{
	struct err why;

	switch (SSL_get_error(t->ssl, r)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return;
	default:
		reason_of(t, r, &why);
		transport_fail(t, &why);
	}
}

int transport_send(struct transport *t, const uint8_t *data, size_t length)
{
	if (t->state != STATE_UP)
		return -ENOTCONN;
	if (!length)
		return -EINVAL;
	if (length > transport_room(t))
		return -EMSGSIZE;
	return t->ops->send(t, data, length);
}

size_t transport_room(const struct transport *t)
{
	return t->ops->room(t);
}

enum transport_kind transport_kind(const struct transport *t)
{
	return t->ops->kind;
}

const struct transport_peer *transport_peer(const struct transport *t)
{
	return &t->peer;
}
