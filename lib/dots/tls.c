// SPDX-License-Identifier: BSD-3-Clause

// TLS 1.2 and 1.3 over TCP: what one association does with its stream, and how it is dialled.
//
// Received bytes are cut into frames (frame.h) and given up one by one; what is left of a frame
// waits in a buffer that exists only while it is needed. Messages to send go straight to OpenSSL;
// what the socket does not take waits in a queue of bounded size, and while it is full nothing more
// is accepted.

#include "dots/tls.h"

#include "base/bits.h"
#include "base/clock.h"
#include "dots/frame.h"
#include "dots/reason.h"

#include <openssl/err.h>

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ROOM_AT_FIRST 1152u // RFC 8323 section 5.3.1
#define QUEUE_MAX     65536u
#define BUFFER_LEAST  2048u
// Reads an association does in one go, so that it cannot keep the loop to itself.
#define READS_A_TURN 16
// What is read and thrown away before a close, see drain().
#define DRAIN_MAX 65536u

struct tls {
	struct transport base;
	int fd;
	bool connecting;
	struct watch watch;
	struct timer again; // there is more to read, or an error to find
	uint8_t *in;        // the beginning of a frame
	size_t in_length;
	size_t in_size;
	uint8_t *out; // what OpenSSL has not taken yet
	size_t out_length;
	bool broken; // nothing can be written any more
};

static struct tls *tls_of(struct transport *t)
{
	return CONTAINER_OF(t, struct tls, base);
}

static ssize_t read_socket(struct transport *t, uint8_t *data, size_t size)
{
	ssize_t n = recv(tls_of(t)->fd, data, size, MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

static ssize_t write_socket(struct transport *t, const uint8_t *data, size_t length)
{
	ssize_t n = send(tls_of(t)->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 ? -errno : n;
}

static void want(struct tls *s, bool write)
{
	watch_change(s->base.loop, &s->watch, write ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

// Hands bytes to OpenSSL until it takes no more. Returns how many it took, or -EPIPE.
static ssize_t hand_over(struct tls *s, const uint8_t *data, size_t length)
{
	struct transport *t = &s->base;
	size_t taken = 0;
	int r;

	while (taken < length) {
		ERR_clear_error();
		r = SSL_write(t->ssl, data + taken, (int)(length - taken));
		if (r > 0) {
			taken += (size_t)r;
			continue;
		}
		r = SSL_get_error(t->ssl, r);
		ERR_clear_error();
		if (r != SSL_ERROR_WANT_WRITE && r != SSL_ERROR_WANT_READ)
			return -EPIPE;
		break;
	}
	return (ssize_t)taken;
}

static void drop_queue(struct tls *s)
{
	free(s->out);
	s->out = NULL;
	s->out_length = 0;
	want(s, false);
}

static void on_again(struct timer *timer);

// Nothing can be written any more. The peer may have said why, and that is still in front of us in
// the stream: so the reason is left to the next read to find.
static int look_for_the_reason(struct tls *s)
{
	drop_queue(s);
	s->broken = true;
	timer_set(s->base.loop, &s->again, clock_now(), on_again);
	return -EPIPE;
}

static void flush(struct tls *s)
{
	ssize_t taken = hand_over(s, s->out, s->out_length);

	if (taken < 0) {
		look_for_the_reason(s);
	} else if ((size_t)taken == s->out_length) {
		drop_queue(s);
	} else {
		s->out_length -= (size_t)taken;
		memmove(s->out, s->out + taken, s->out_length);
	}
}

static int enqueue(struct tls *s, const uint8_t *data, size_t length)
{
	if (!s->out)
		s->out = malloc(QUEUE_MAX);
	if (!s->out) { // OpenSSL may hold a part of the message already
		s->base.error = ENOMEM;
		return look_for_the_reason(s);
	}
	memcpy(s->out + s->out_length, data, length);
	s->out_length += length;
	want(s, true);
	return 0;
}

static int tls_send(struct transport *t, const uint8_t *data, size_t length)
{
	struct tls *s = tls_of(t);
	ssize_t taken = 0;

	if (s->broken)
		return -EPIPE;
	if (s->out_length + length > QUEUE_MAX)
		return -EAGAIN;
	if (!s->out_length)
		taken = hand_over(s, data, length);
	if (taken < 0)
		return look_for_the_reason(s);
	if ((size_t)taken == length)
		return 0;
	return enqueue(s, data + taken, length - (size_t)taken);
}

// Gives up every whole frame in data. Returns how many bytes that were; *wanted is the length of
// the frame that is not whole yet, if its header tells.
static size_t deliver(struct tls *s, const uint8_t *data, size_t length, size_t *wanted)
{
	struct transport *t = &s->base;
	size_t done = 0;
	struct err why;

	*wanted = 0;
	while (done < length) {
		int frame = frame_length(data + done, length - done);

		if (frame < 0) {
			if (frame == -EMSGSIZE)
				err_set(&why, "the peer sent a message longer than %u bytes",
					FRAME_MAX);
			else
				err_set(&why,
					"the peer sent a message with a reserved token "
					"length");
			transport_fail(t, &why);
			return length;
		}
		*wanted = (size_t)frame;
		if (!frame || (size_t)frame > length - done)
			break;
		t->events->message(t->ctx, t, data + done, (size_t)frame);
		done += (size_t)frame;
		*wanted = 0;
		if (t->state != STATE_UP)
			return length;
	}
	return done;
}

static void drop_input(struct tls *s)
{
	free(s->in);
	s->in = NULL;
	s->in_length = s->in_size = 0;
}

// Keeps what is left of a frame, with room for all of it.
static bool keep(struct tls *s, const uint8_t *data, size_t length, size_t wanted)
{
	size_t size = wanted > BUFFER_LEAST ? wanted : BUFFER_LEAST;
	uint8_t *in;

	if (!length) {
		drop_input(s);
		return true;
	}
	if (size > s->in_size) {
		in = malloc(size);
		if (!in)
			return false;
		memcpy(in, data, length);
		free(s->in);
		s->in = in;
		s->in_size = size;
	} else {
		memmove(s->in, data, length);
	}
	s->in_length = length;
	return true;
}

static void out_of_memory(struct tls *s)
{
	struct err why;

	err_set(&why, "out of memory");
	transport_fail(&s->base, &why);
}

static bool has_begun_a_frame(const struct tls *s)
{
	return s->in_length != 0;
}

// One read into `scratch`, or behind the beginning of a frame. False if there is nothing more to
// read, or the association is gone.
static bool read_once(struct tls *s, uint8_t *scratch, size_t size)
{
	struct transport *t = &s->base;
	uint8_t *data = scratch;
	size_t done, length, wanted;
	int r;

	ERR_clear_error();
	if (has_begun_a_frame(s))
		r = SSL_read(t->ssl, s->in + s->in_length, (int)(s->in_size - s->in_length));
	else
		r = SSL_read(t->ssl, scratch, (int)size);
	if (r <= 0) {
		transport_read_ended(t, r);
		return false;
	}
	length = (size_t)r;
	if (has_begun_a_frame(s)) {
		data = s->in;
		length += s->in_length;
	}
	done = deliver(s, data, length, &wanted);
	if (t->state != STATE_UP)
		return false;
	if (!keep(s, data + done, length - done, wanted)) {
		out_of_memory(s);
		return false;
	}
	return true;
}

static void read_frames(struct tls *s)
{
	uint8_t scratch[SSL3_RT_MAX_PLAIN_LENGTH];

	if (s->base.state != STATE_UP)
		return;
	for (unsigned i = 0; i < READS_A_TURN; i++) {
		if (!read_once(s, scratch, sizeof(scratch)))
			return;
	}
	// the rest may be inside OpenSSL, where epoll does not see it
	timer_set(s->base.loop, &s->again, clock_now(), on_again);
}

static void go_on_with_handshake(struct tls *s)
{
	struct transport *t = &s->base;
	struct err why;

	switch (transport_handshake(t, &why)) {
	case 0:
		want(s, SSL_want_write(t->ssl));
		return;
	case 1:
		want(s, false);
		transport_is_up(t);
		return;
	default:
		transport_fail(t, &why);
	}
}

// True once TCP is connected.
static bool is_connected(struct tls *s)
{
	struct transport *t = &s->base;
	char where[ENDPOINT_TEXT];
	socklen_t length = sizeof(t->error);
	struct err why;

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &t->error, &length) < 0)
		t->error = errno;
	if (t->error) {
		err_set(&why, "cannot connect to %s: %s",
			endpoint_text(&t->peer.addr, t->peer.port, where), strerror(t->error));
		transport_fail(t, &why);
		return false;
	}
	s->connecting = false;
	return true;
}

static void on_socket(struct watch *watch, uint32_t events)
{
	struct tls *s = CONTAINER_OF(watch, struct tls, watch);
	struct transport *t = &s->base;

	transport_enter(t);
	if (s->connecting && !is_connected(s))
		goto leave;
	if (t->state == STATE_HANDSHAKE)
		go_on_with_handshake(s);
	if (t->state == STATE_UP && (events & EPOLLOUT) && s->out_length)
		flush(s);
	read_frames(s);
leave:
	transport_leave(t);
}

static void on_again(struct timer *timer)
{
	struct tls *s = CONTAINER_OF(timer, struct tls, again);
	struct transport *t = &s->base;
	struct err why;

	transport_enter(t);
	read_frames(s);
	if (s->broken && t->state == STATE_UP && !timer_is_set(&s->again)) {
		err_set(&why, "cannot write: %s", strerror(t->error ? t->error : EPIPE));
		transport_fail(t, &why);
	}
	transport_leave(t);
}

static size_t tls_room(const struct transport *t)
{
	return t->room;
}

// Closing a socket with unread bytes makes the kernel send a reset, and a peer may then lose what
// we said last: the alert that tells it why.
static void drain(int fd)
{
	uint8_t waste[4096];
	size_t left = DRAIN_MAX;
	ssize_t n;

	while (left && (n = recv(fd, waste, sizeof(waste), MSG_DONTWAIT)) > 0)
		left -= (size_t)n < left ? (size_t)n : left;
}

static void detach(struct transport *t)
{
	struct tls *s = tls_of(t);

	watch_stop(t->loop, &s->watch);
	timer_stop(t->loop, &s->again);
	drain(s->fd);
	close(s->fd);
	s->fd = -1;
}

static void free_tls(struct transport *t)
{
	struct tls *s = tls_of(t);

	free(s->out);
	free(s->in);
	free(s);
}

static const struct transport_ops ops = {
	.kind = TRANSPORT_TLS,
	.read = read_socket,
	.write = write_socket,
	.send = tls_send,
	.room = tls_room,
	.detach = detach,
	.free = free_tls,
};

void transport_set_room(struct transport *t, size_t length)
{
	t->room = length < FRAME_MAX ? length : FRAME_MAX;
}

static struct tls *make(const struct ipaddr *addr, uint16_t port, int fd)
{
	struct tls *s = calloc(1, sizeof(*s));
	int one = 1;

	if (!s)
		return NULL;
	s->fd = fd;
	s->base.room = ROOM_AT_FIRST;
	s->base.peer.addr = *addr;
	s->base.peer.port = port;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return s;
}

struct transport *tls_new_accepting(
	struct listener *l, int fd, const struct ipaddr *addr, uint16_t port)
{
	struct tls *s = make(addr, port, fd);

	if (!s) {
		close(fd);
		return NULL;
	}
	if (transport_init(&s->base, &ops, SIDE_LISTEN, l->loop, l->credentials) < 0 ||
		watch_start(l->loop, &s->watch, fd, EPOLLIN, on_socket) < 0) {
		close(fd);
		transport_free(&s->base);
		return NULL;
	}
	return &s->base;
}

static int connect_tcp(struct tls *s, struct err *err)
{
	struct sockaddr_storage at;
	socklen_t length = ipaddr_to_sockaddr(&s->base.peer.addr, s->base.peer.port, &at);
	char where[ENDPOINT_TEXT];
	int r;

	s->connecting = true;
	if (connect(s->fd, (struct sockaddr *)&at, length) < 0 && errno != EINPROGRESS)
		r = -errno;
	else
		r = watch_start(s->base.loop, &s->watch, s->fd, EPOLLIN | EPOLLOUT, on_socket);
	if (r < 0)
		err_set(err, "cannot connect to %s: %s",
			endpoint_text(&s->base.peer.addr, s->base.peer.port, where), strerror(-r));
	return r;
}

struct transport *tls_dial(struct evloop *loop, struct credentials *credentials,
	const struct dial *dial, const struct transport_events *events, void *ctx, struct err *err)
{
	int family = dial->addr.family == 6 ? AF_INET6 : AF_INET;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct tls *s;

	if (fd < 0) {
		err_set(err, "cannot open a socket: %s", strerror(errno));
		return NULL;
	}
	s = make(&dial->addr, dial->port, fd);
	if (!s) {
		err_set(err, "out of memory");
		close(fd);
		return NULL;
	}
	if (transport_init(&s->base, &ops, SIDE_DIAL, loop, credentials) < 0) {
		err_set(err, "out of memory");
		goto fail;
	}
	if (transport_init_dial(&s->base, dial, events, ctx, err) < 0 || connect_tcp(s, err) < 0)
		goto fail;
	return &s->base;
fail:
	close(fd);
	transport_free(&s->base);
	return NULL;
}
