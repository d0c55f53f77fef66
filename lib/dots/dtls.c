// SPDX-License-Identifier: BSD-3-Clause

// DTLS 1.2 (RFC 6347): what one association does with its datagrams and its timer, and how it is
// dialled. OpenSSL reads one datagram at a time from dtls_feed(), and sends at once.
//
// Retransmission of flights (RFC 6347 section 4.2.4) is OpenSSL's: it keeps the flight and doubles
// the wait from 1 s, our timer only wakes it. It reads the wait off the system's clock, so a held
// clock makes us ask, but the real time has to have passed as well.

#include "dots/dtls.h"

#include "base/bits.h"
#include "base/clock.h"
#include "dots/listener.h"
#include "dots/reason.h"

#include <openssl/err.h>

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

// IP packets of 1280 bytes pass anywhere IPv6 does (RFC 9132 section 7.3); this is what is left.
#define PACKET_MAX 1280u
#define IPV4_UDP   28u
#define IPV6_UDP   48u
// a record's header (13), explicit nonce (8) and tag (16): the most any suite we allow adds
#define RECORD_OVERHEAD 37u

// Datagrams a dialled association reads in one go, so that it cannot keep the loop to itself.
#define DATAGRAMS_A_TURN 64

static unsigned path_mtu(const struct ipaddr *peer)
{
	return PACKET_MAX - (peer->family == 6 ? IPV6_UDP : IPV4_UDP);
}

void dtls_set_path_mtu(struct dtls *d, const struct ipaddr *peer)
{
	SSL_set_mtu(d->base.ssl, path_mtu(peer));
}

static ssize_t read_datagram(struct transport *t, uint8_t *data, size_t size)
{
	struct dtls *d = dtls_of(t);
	size_t length = d->in_length < size ? d->in_length : size;

	// to OpenSSL nothing read is the end of a stream, but anyone can send an empty datagram
	if (!d->in || !length)
		return -EAGAIN;
	memcpy(data, d->in, length);
	d->in = NULL;
	return (ssize_t)length;
}

// A pending error is about an earlier datagram (an ICMP message came back), and takes the place of
// sending this one: so it is tried again.
static int send_connected(struct dtls *d, const uint8_t *data, size_t length)
{
	for (unsigned tries = 0; tries < 2; tries++) {
		if (send(d->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
		d->base.error = errno;
	}
	return -d->base.error;
}

// To OpenSSL a datagram is always sent: one that is not is one lost on the way, which the
// handshake's timer, and above us CoAP's, make good.
static ssize_t write_datagram(struct transport *t, const uint8_t *data, size_t length)
{
	struct dtls *d = dtls_of(t);
	int r = d->home ? dtls_listener_send(d, data, length) : send_connected(d, data, length);

	if (r < 0)
		d->send_error = r;
	return (ssize_t)length;
}

static void on_retransmit(struct timer *timer);

static void arm_retransmit(struct dtls *d)
{
	struct timeval left;

	if (!DTLSv1_get_timeout(d->base.ssl, &left)) {
		timer_stop(d->base.loop, &d->retransmit);
		return;
	}
	timer_set(d->base.loop, &d->retransmit,
		clock_now() + (uint64_t)left.tv_sec * CLOCK_SECOND + (uint64_t)left.tv_usec * 1000,
		on_retransmit);
}

static void on_retransmit(struct timer *timer)
{
	struct dtls *d = CONTAINER_OF(timer, struct dtls, retransmit);
	struct err why;
	int r;

	transport_enter(&d->base);
	ERR_clear_error();
	r = (int)DTLSv1_handle_timeout(d->base.ssl);
	if (r < 0) {
		reason_of(&d->base, r, &why);
		transport_fail(&d->base, &why);
	} else {
		arm_retransmit(d);
	}
	transport_leave(&d->base);
}

// OpenSSL puts the messages of a handshake together in a buffer of 22 kB, half of what an association
// takes, and keeps it to the end for a flight that may have to be sent again. Between two messages
// there is nothing in it, so its pages go back to the system, to come anew if they are ever written.
// Where it is, the messages tell: it is the start of each.
static void on_handshake_message(int, int, int type, const void *message, size_t, SSL *ssl, void *)
{
	if (type == SSL3_RT_HANDSHAKE)
		dtls_of(SSL_get_app_data(ssl))->scratch = (uintptr_t)message;
}

static void release_scratch(struct dtls *d)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t begin = (d->scratch + page - 1) & ~(page - 1);
	uintptr_t end = (d->scratch + malloc_usable_size((void *)d->scratch)) & ~(page - 1);

	SSL_set_msg_callback(d->base.ssl, NULL);
	if (begin < end)
		madvise((void *)begin, end - begin, MADV_DONTNEED);
}

static void go_on_with_handshake(struct dtls *d)
{
	struct err why;

	switch (transport_handshake(&d->base, &why)) {
	case 0:
		arm_retransmit(d);
		return;
	case 1:
		break;
	default:
		transport_fail(&d->base, &why);
		return;
	}
	timer_stop(d->base.loop, &d->retransmit);
	release_scratch(d);
	if (d->predecessor)
		dtls_listener_supersede(d);
	if (d->base.state == STATE_HANDSHAKE)
		transport_is_up(&d->base);
}

// OpenSSL keeps 17 kB to read into and as much to write from, for every association; one that is up
// is idle nearly always, and gives them back.
static void release_buffers(struct dtls *d)
{
	if (d->base.state == STATE_UP)
		SSL_free_buffers(d->base.ssl);
}

// One record, one message: SSL_read() never joins two.
static void read_messages(struct dtls *d)
{
	uint8_t message[SSL3_RT_MAX_PLAIN_LENGTH];
	struct transport *t = &d->base;
	int length;

	while (t->state == STATE_UP) {
		ERR_clear_error();
		length = SSL_read(t->ssl, message, sizeof(message));
		if (length <= 0) {
			transport_read_ended(t, length);
			return;
		}
		t->events->message(t->ctx, t, message, (size_t)length);
	}
}

void dtls_feed(struct dtls *d, const uint8_t *data, size_t length)
{
	transport_enter(&d->base);
	d->in = data;
	d->in_length = length;
	if (d->base.state == STATE_HANDSHAKE)
		go_on_with_handshake(d);
	read_messages(d);
	d->in = NULL;
	release_buffers(d);
	transport_leave(&d->base);
}

static int dtls_send(struct transport *t, const uint8_t *data, size_t length)
{
	struct dtls *d = dtls_of(t);
	int r;

	d->send_error = 0;
	if (!SSL_alloc_buffers(t->ssl)) // reading would do it by itself, writing does not
		return -ENOMEM;
	ERR_clear_error();
	r = SSL_write(t->ssl, data, (int)length);
	ERR_clear_error();
	if (!t->busy)
		release_buffers(d);
	if (r <= 0)
		return -EPIPE;
	return d->send_error == -ENOBUFS ? -EAGAIN : d->send_error;
}

static size_t dtls_room(const struct transport *t)
{
	if (t->state == STATE_UP)
		return DTLS_get_data_mtu(t->ssl);
	return path_mtu(&t->peer.addr) - RECORD_OVERHEAD;
}

static void detach(struct transport *t)
{
	struct dtls *d = dtls_of(t);

	timer_stop(t->loop, &d->retransmit);
	if (d->home) {
		dtls_listener_forget(d);
		return;
	}
	watch_stop(t->loop, &d->watch);
	close(d->fd);
	d->fd = -1;
}

static void free_dtls(struct transport *t)
{
	free(dtls_of(t));
}

static const struct transport_ops ops = {
	.kind = TRANSPORT_DTLS,
	.read = read_datagram,
	.write = write_datagram,
	.send = dtls_send,
	.room = dtls_room,
	.detach = detach,
	.free = free_dtls,
};

static int init(
	struct dtls *d, enum side side, struct evloop *loop, struct credentials *credentials)
{
	int rc = transport_init(&d->base, &ops, side, loop, credentials);

	if (rc == 0)
		SSL_set_msg_callback(d->base.ssl, on_handshake_message);
	return rc;
}

struct dtls *dtls_new_accepting(
	struct dtls_listener *home, struct evloop *loop, struct credentials *credentials, int fd)
{
	struct dtls *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->home = home;
	d->fd = fd;
	if (init(d, SIDE_LISTEN, loop, credentials) < 0) {
		transport_free(&d->base);
		return NULL;
	}
	return d;
}

static void on_datagrams(struct watch *watch, uint32_t)
{
	struct dtls *d = CONTAINER_OF(watch, struct dtls, watch);
	uint8_t data[DATAGRAM_MAX];

	transport_enter(&d->base);
	for (unsigned i = 0; i < DATAGRAMS_A_TURN && d->base.state != STATE_DEAD; i++) {
		ssize_t length = recv(d->fd, data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC);

		if (length < 0 && errno == EAGAIN)
			break;
		// An ICMP error is a hint that anyone can send: the deadline and, later, the
		// heartbeats decide, and a peer that starts late still answers.
		if (length < 0)
			d->base.error = errno;
		else if ((size_t)length <= sizeof(data))
			dtls_feed(d, data, (size_t)length);
	}
	transport_leave(&d->base);
}

static void on_start(struct timer *timer)
{
	struct dtls *d = CONTAINER_OF(timer, struct dtls, retransmit);

	transport_enter(&d->base);
	go_on_with_handshake(d);
	transport_leave(&d->base);
}

void dtls_allow_fragments(int fd, const struct ipaddr *peer)
{
	int dont = IP_PMTUDISC_DONT;

	if (peer->family == 4)
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &dont, sizeof(dont));
}

static int open_connected(struct dtls *d, struct err *err)
{
	struct sockaddr_storage at;
	socklen_t length = ipaddr_to_sockaddr(&d->base.peer.addr, d->base.peer.port, &at);
	char where[ENDPOINT_TEXT];
	int r = 0;

	d->fd = socket(at.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd < 0)
		return err_code(err, -errno, "cannot open a socket: %s", strerror(errno));
	dtls_allow_fragments(d->fd, &d->base.peer.addr);
	if (connect(d->fd, (struct sockaddr *)&at, length) < 0)
		r = -errno;
	else
		r = watch_start(d->base.loop, &d->watch, d->fd, EPOLLIN, on_datagrams);
	if (!r)
		r = timer_set(d->base.loop, &d->retransmit, clock_now(), on_start);
	if (r < 0)
		err_set(err, "cannot reach %s: %s",
			endpoint_text(&d->base.peer.addr, d->base.peer.port, where), strerror(-r));
	return r;
}

struct transport *dtls_dial(struct evloop *loop, struct credentials *credentials,
	const struct dial *dial, const struct transport_events *events, void *ctx, struct err *err)
{
	struct dtls *d = calloc(1, sizeof(*d));

	if (!d) {
		err_set(err, "out of memory");
		return NULL;
	}
	d->fd = -1;
	d->base.peer.addr = dial->addr;
	d->base.peer.port = dial->port;
	if (init(d, SIDE_DIAL, loop, credentials) < 0) {
		err_set(err, "out of memory");
		goto fail;
	}
	dtls_set_path_mtu(d, &dial->addr);
	if (transport_init_dial(&d->base, dial, events, ctx, err) < 0 || open_connected(d, err) < 0)
		goto fail;
	return &d->base;
fail:
	if (d->fd >= 0) {
		watch_stop(loop, &d->watch);
		close(d->fd);
	}
	transport_free(&d->base);
	return NULL;
}
