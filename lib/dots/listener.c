// SPDX-License-Identifier: BSD-3-Clause

#include "dots/listener.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

// Enough for the homes of a city to come back at once; listener_limit() says otherwise.
#define ASSOCIATIONS 65536
#define HALF_OPEN    1024
#define HANDSHAKE    (30 * CLOCK_SECOND)

// Lines a minute about handshakes that failed: strangers decide how many there are.
#define LOG_WINDOW (60 * CLOCK_SECOND)
#define LOG_LINES  30

static int bind_socket(struct listener *l)
{
	int type = l->ops->kind == TRANSPORT_TLS ? SOCK_STREAM : SOCK_DGRAM;
	struct sockaddr_storage at;
	socklen_t length = ipaddr_to_sockaddr(&l->addr, l->port, &at);
	struct ipaddr bound;
	int one = 1;

	l->fd = socket(at.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -errno;
	// an IPv4 and an IPv6 listener stand side by side on one port
	if (l->addr.family == 6)
		setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	l->ops->prepare(l);
	if (bind(l->fd, (struct sockaddr *)&at, length) < 0 ||
		(type == SOCK_STREAM && listen(l->fd, SOMAXCONN) < 0))
		return -errno;
	length = sizeof(at);
	if (getsockname(l->fd, (struct sockaddr *)&at, &length) < 0)
		return -errno;
	return ipaddr_from_sockaddr((struct sockaddr *)&at, &bound, &l->port);
}

int listener_init(struct listener *l, const struct listener_ops *ops, const struct listen *listen,
	void (*fn)(struct watch *, uint32_t), struct err *err)
{
	char where[ENDPOINT_TEXT];
	int r;

	l->ops = ops;
	l->loop = listen->loop;
	l->events = listen->events;
	l->accept = listen->accept;
	l->ctx = listen->ctx;
	l->addr = *listen->addr;
	l->port = listen->port;
	l->limits = (struct listener_limits){ASSOCIATIONS, HALF_OPEN, HANDSHAKE};
	TAILQ_INIT(&l->opening);
	TAILQ_INIT(&l->open);
	r = credentials_check_side(listen->credentials, SIDE_LISTEN, err);
	if (r < 0)
		return r;
	r = bind_socket(l);
	if (!r)
		r = watch_start(l->loop, &l->watch, l->fd, EPOLLIN, fn);
	if (r < 0) {
		if (l->fd >= 0)
			close(l->fd);
		return err_code(err, r, "cannot listen on %s: %s",
			endpoint_text(&l->addr, l->port, where), strerror(-r));
	}
	l->credentials = credentials_hold(listen->credentials);
	return 0;
}

void listener_enter(struct listener *l)
{
	l->busy++;
}

void listener_leave(struct listener *l)
{
	if (--l->busy || !l->closed)
		return;
	credentials_free(l->credentials);
	l->ops->free(l);
}

void listener_close(struct listener *l)
{
	struct transport *t;

	if (!l || l->closed)
		return;
	listener_enter(l);
	l->closed = true;
	while ((t = TAILQ_FIRST(&l->opening)) || (t = TAILQ_FIRST(&l->open)))
		transport_close(t);
	watch_stop(l->loop, &l->watch);
	l->ops->close(l);
	close(l->fd);
	listener_leave(l);
}

uint16_t listener_port(const struct listener *l)
{
	return l->port;
}

void listener_limit(struct listener *l, const struct listener_limits *limits)
{
	l->limits = *limits;
	l->limits.half_open = max_u32(limits->half_open, 1);
}

const struct listener_counters *listener_counters(const struct listener *l)
{
	return &l->counters;
}

int listener_renew(struct listener *l, struct credentials *credentials, struct err *err)
{
	struct credentials *old = l->credentials;
	int rc = credentials_check_side(credentials, SIDE_LISTEN, err);

	if (rc < 0)
		return rc;
	l->credentials = credentials_hold(credentials);
	if (l->ops->renew)
		l->ops->renew(l);
	credentials_free(old);
	return 0;
}

void listener_set_gate(struct listener *l, const struct listener_gate *gate, void *ctx)
{
	l->gate = gate;
	l->gate_ctx = ctx;
}

bool listener_admits(struct listener *l, const struct ipaddr *addr)
{
	if (!l->gate || !l->gate->admit || l->gate->admit(l->gate_ctx, addr))
		return true;
	l->counters.not_admitted++;
	return false;
}

bool listener_has_room(struct listener *l)
{
	struct listener_counters *c = &l->counters;
	struct err why;

	if (c->open >= l->limits.associations) {
		c->no_room++;
		return false;
	}
	if (c->half_open < l->limits.half_open && c->open + c->half_open < l->limits.associations)
		return true;
	// whoever is in the handshake for longest is the least likely to finish it
	c->pushed_out++;
	err_set(&why, "pushed out by newer handshakes (%u at a time are allowed)",
		l->limits.half_open);
	transport_fail(TAILQ_FIRST(&l->opening), &why);
	return true;
}

void listener_begin(struct listener *l, struct transport *t)
{
	t->listener = l;
	t->events = l->events;
	TAILQ_INSERT_TAIL(&l->opening, t, linked);
	l->counters.half_open++;
	l->counters.started++;
	transport_begin(t, l->limits.handshake_ns);
}

void listener_settle(struct listener *l, struct transport *t)
{
	TAILQ_REMOVE(&l->opening, t, linked);
	l->counters.half_open--;
	TAILQ_INSERT_TAIL(&l->open, t, linked);
	l->counters.open++;
	l->counters.completed++;
	t->settled = true;
}

void listener_forget(struct listener *l, struct transport *t)
{
	TAILQ_REMOVE(t->settled ? &l->open : &l->opening, t, linked);
	if (t->settled)
		l->counters.open--;
	else
		l->counters.half_open--;
}

// Strangers can make handshakes fail at any rate; the log is not theirs to fill.
static bool may_log(struct listener *l)
{
	uint64_t window = clock_now() / LOG_WINDOW;

	if (window != l->log_window) {
		if (l->log_held)
			log_warning("dots", "%u more handshakes failed", l->log_held);
		l->log_window = window;
		l->log_left = LOG_LINES;
		l->log_held = 0;
	}
	if (!l->log_left) {
		l->log_held++;
		return false;
	}
	l->log_left--;
	return true;
}

void listener_failed(struct listener *l, struct transport *t, const struct err *why)
{
	char where[ENDPOINT_TEXT];

	l->counters.failed++;
	if (may_log(l))
		log_warning("dots", "%s handshake with %s failed: %s",
			l->ops->kind == TRANSPORT_DTLS ? "DTLS" : "TLS",
			endpoint_text(&t->peer.addr, t->peer.port, where), why->text);
	if (l->gate && l->gate->failed)
		l->gate->failed(l->gate_ctx, &t->peer.addr, t->unproven, why);
}
