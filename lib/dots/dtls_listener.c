// SPDX-License-Identifier: BSD-3-Clause

// One UDP socket for all peers. A datagram belongs to the association of its path (hash of both
// ends), or it is a ClientHello, or it is dropped.
//
// A ClientHello goes to the lobby: one association that belongs to nobody yet, in which
// DTLSv1_listen() answers hellos without a valid cookie and forgets them. The first hello with a
// good cookie takes the lobby's association with it into the hash, and the next one gets a new
// lobby. So strangers who cannot receive at the address they write cost an HMAC and no memory.
//
//   datagram -> path known?  no,  ClientHello ------------------> lobby -> association
//                            no,  anything else ----------------> dropped
//                            yes, ClientHello of another random -> lobby -> successor
//                            yes, anything else ----------------> successor and association

#include "base/bits.h"
#include "dots/cookie.h"
#include "dots/dtls.h"
#include "dots/listener.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BUCKETS          16384u
#define DATAGRAMS        32 // a call
#define CALLS_A_TURN     8
#define SOCKET_BUFFER    (4 << 20) // holds a heartbeat of every home at once
#define CONTROL_BYTES    CMSG_SPACE(sizeof(struct in6_pktinfo))
#define CLIENT_HELLO     1
#define HANDSHAKE_RECORD 22

struct dtls_listener {
	struct listener base;
	struct cookie_secret secret;
	uint64_t seed;
	struct dtls *lobby;
	// DTLSv1_listen() writes the peer's address here, which our BIO does not tell
	// where DTLSv1_listen() would put the peer's address, if our BIO told it
	BIO_ADDR *nobody;
	struct dtls *bucket[BUCKETS];
	struct mmsghdr messages[DATAGRAMS];
	struct iovec slices[DATAGRAMS];
	struct sockaddr_storage from[DATAGRAMS];
	uint8_t control[DATAGRAMS][CONTROL_BYTES] __attribute__((aligned(8)));
	uint8_t data[DATAGRAMS][DATAGRAM_MAX];
};

static struct dtls_listener *home_of(struct listener *l)
{
	return CONTAINER_OF(l, struct dtls_listener, base);
}

// Seeded, because the peers choose most of what is hashed.
static struct dtls **bucket_of(struct dtls_listener *l, const struct path *path)
{
	uint64_t words[5] = {0}, h = l->seed;

	memcpy(&words[0], path->peer.bytes, 16);
	memcpy(&words[2], path->local.bytes, 16);
	words[4] = (uint64_t)path->interface << 32 | path->port;
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		h = (h ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	return &l->bucket[h % BUCKETS];
}

static struct dtls *find(struct dtls_listener *l, const struct path *path)
{
	struct dtls *d = *bucket_of(l, path);

	while (d && !path_equal(&d->path, path))
		d = d->next;
	return d;
}

static void insert(struct dtls_listener *l, struct dtls *d)
{
	struct dtls **bucket = bucket_of(l, &d->path);

	d->next = *bucket;
	*bucket = d;
}

// A successor stands behind its predecessor, not in the hash.
void dtls_listener_forget(struct dtls *d)
{
	struct dtls *successor = d->successor;

	if (d->predecessor) {
		d->predecessor->successor = NULL;
		d->predecessor = NULL;
		return;
	}
	for (struct dtls **at = bucket_of(d->home, &d->path); *at; at = &(*at)->next) {
		if (*at == d) {
			*at = d->next;
			break;
		}
	}
	if (successor) {
		d->successor = NULL;
		successor->predecessor = NULL;
		insert(d->home, successor);
	}
}

void dtls_listener_supersede(struct dtls *d)
{
	struct err why;

	err_set(&why, "the peer began a new association from the same address and port");
	transport_fail(&d->predecessor->base, &why);
}

// The cookie callbacks have only the SSL: it leads to the lobby and its path.
static int on_make_cookie(SSL *ssl, unsigned char *cookie, unsigned *length)
{
	const struct dtls *d = dtls_of(SSL_get_app_data(ssl));

	*length = COOKIE_BYTES;
	d->home->base.counters.hellos++;
	return cookie_make(&d->home->secret, &d->path, cookie) == 0;
}

static int on_check_cookie(SSL *ssl, const unsigned char *cookie, unsigned length)
{
	const struct dtls *d = dtls_of(SSL_get_app_data(ssl));

	return cookie_fits(&d->home->secret, &d->path, cookie, length);
}

// The random of a ClientHello, whole or its first fragment; NULL if the datagram is something else.
//
//   record: type 1, version 2, epoch 2, sequence 6, length 2
//   handshake: type 1, length 3, message sequence 2, fragment offset 3, fragment length 3
//   ClientHello: version 2, random 32
static const uint8_t *hello_random(const uint8_t *data, size_t length)
{
	static const uint8_t zero[3];

	if (length < 13 + 12 + 2 + HELLO_RANDOM || data[0] != HANDSHAKE_RECORD ||
		memcmp(data + 3, zero, 2) != 0 || data[13] != CLIENT_HELLO ||
		memcmp(data + 13 + 6, zero, 3) != 0)
		return NULL;
	return data + 13 + 12 + 2;
}

static struct dtls *make_lobby(struct dtls_listener *l)
{
	return dtls_new_accepting(l, l->base.loop, l->base.credentials, l->base.fd);
}

static void drop_lobby(struct dtls_listener *l)
{
	if (l->lobby)
		transport_free(&l->lobby->base);
	l->lobby = NULL;
}

// Answers a hello. True if its cookie was good, so that the lobby is an association to be.
static bool listen_in_lobby(
	struct dtls_listener *l, const struct path *path, const uint8_t *data, size_t length)
{
	struct dtls *d;
	int r;

	if (!l->lobby)
		l->lobby = make_lobby(l);
	d = l->lobby;
	if (!d)
		return false;
	d->path = *path;
	d->in = data;
	d->in_length = length;
	r = DTLSv1_listen(d->base.ssl, l->nobody);
	d->in = NULL;
	ERR_clear_error();
	if (r < 0)
		drop_lobby(l);
	return r > 0;
}

// Gives the association its place: after a live one on the same path, or instead of one that is
// still in its own handshake.
static void place(struct dtls_listener *l, struct dtls *d)
{
	struct dtls *before = find(l, &d->path);
	struct err why;

	if (before && before->successor)
		before = before->successor;
	if (before && before->base.state == STATE_HANDSHAKE) {
		err_set(&why, "the peer began anew");
		transport_fail(&before->base, &why);
		if (d->base.state == STATE_DEAD)
			return;
		before = find(l, &d->path);
	}
	d->predecessor = before;
	if (before)
		before->successor = d;
	else
		insert(l, d);
}

static void meet(struct dtls_listener *l, const struct path *path, const uint8_t *data,
	size_t length, const uint8_t *random)
{
	struct dtls *d;

	if (!listener_admits(&l->base, &path->peer) || l->base.closed ||
		!listen_in_lobby(l, path, data, length))
		return;
	if (!listener_has_room(&l->base) || l->base.closed) {
		drop_lobby(l); // it holds the hello
		return;
	}
	d = l->lobby;
	l->lobby = NULL;
	d->base.peer.addr = path->peer;
	d->base.peer.port = path->port;
	memcpy(d->random, random, HELLO_RANDOM);
	dtls_set_path_mtu(d, &path->peer);
	listener_begin(&l->base, &d->base);
	transport_enter(&d->base);
	place(l, d);
	// the hello itself waits inside the SSL
	dtls_feed(d, NULL, 0);
	transport_leave(&d->base);
}

static bool is_hello_of(const struct dtls *d, const uint8_t *random)
{
	return d && !memcmp(d->random, random, HELLO_RANDOM);
}

static void receive(
	struct dtls_listener *l, const struct path *path, const uint8_t *data, size_t length)
{
	const uint8_t *random = hello_random(data, length);
	struct dtls *d = find(l, path);

	if (random && !is_hello_of(d, random) && !(d && is_hello_of(d->successor, random))) {
		meet(l, path, data, length, random);
		return;
	}
	if (!d) {
		l->base.counters.strays++;
		return;
	}
	// Records of the new association and of the old one look the same from outside. Each drops
	// what its keys do not fit.
	if (d->successor)
		dtls_feed(d->successor, data, length);
	if (!l->base.closed && find(l, path) == d)
		dtls_feed(d, data, length);
}

static void read_control(struct msghdr *msg, struct path *path)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			path->local = ipaddr_v4(info.ipi_spec_dst.s_addr);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			path->local = ipaddr_v6(info.ipi6_addr.s6_addr);
		}
	}
}

// False for what no association can have sent.
static bool read_path(struct msghdr *msg, struct path *path)
{
	const struct sockaddr_storage *from = msg->msg_name;

	*path = (struct path){0};
	if ((msg->msg_flags & MSG_TRUNC) ||
		ipaddr_from_sockaddr((const struct sockaddr *)from, &path->peer, &path->port) < 0 ||
		!path->port)
		return false;
	if (from->ss_family == AF_INET6)
		path->interface = ((const struct sockaddr_in6 *)from)->sin6_scope_id;
	read_control(msg, path);
	return true;
}

static int receive_burst(struct dtls_listener *l)
{
	for (unsigned i = 0; i < DATAGRAMS; i++) {
		l->slices[i] = (struct iovec){l->data[i], DATAGRAM_MAX};
		l->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &l->from[i],
			.msg_namelen = sizeof(l->from[i]),
			.msg_iov = &l->slices[i],
			.msg_iovlen = 1,
			.msg_control = l->control[i],
			.msg_controllen = CONTROL_BYTES,
		};
	}
	return recvmmsg(l->base.fd, l->messages, DATAGRAMS, MSG_DONTWAIT, NULL);
}

static void on_datagrams(struct watch *watch, uint32_t)
{
	struct dtls_listener *l = home_of(CONTAINER_OF(watch, struct listener, watch));
	struct path path;
	int n = DATAGRAMS;

	listener_enter(&l->base);
	for (unsigned calls = 0; calls < CALLS_A_TURN && n == DATAGRAMS; calls++) {
		n = receive_burst(l);
		for (int i = 0; i < n && !l->base.closed; i++) {
			if (read_path(&l->messages[i].msg_hdr, &path))
				receive(l, &path, l->data[i], l->messages[i].msg_len);
			else
				l->base.counters.strays++;
		}
		if (l->base.closed)
			break;
	}
	listener_leave(&l->base);
}

static void write_control(struct msghdr *msg, const struct path *path)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	if (path->local.family == 4) {
		struct in_pktinfo info = {.ipi_spec_dst.s_addr = ipaddr_be32(&path->local)};

		*c = (struct cmsghdr){CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO};
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		msg->msg_controllen = CMSG_SPACE(sizeof(info));
	} else {
		struct in6_pktinfo info = {.ipi6_ifindex = path->interface};

		memcpy(&info.ipi6_addr, path->local.bytes, sizeof(info.ipi6_addr));
		*c = (struct cmsghdr){CMSG_LEN(sizeof(info)), IPPROTO_IPV6, IPV6_PKTINFO};
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		msg->msg_controllen = CMSG_SPACE(sizeof(info));
	}
}

int dtls_listener_send(const struct dtls *d, const uint8_t *data, size_t length)
{
	uint8_t control[CONTROL_BYTES] __attribute__((aligned(8))) = {0};
	struct sockaddr_storage to;
	// sendmsg() only reads what an iovec points to
	struct iovec slice = {.iov_len = length};
	struct msghdr msg = {.msg_name = &to, .msg_iov = &slice, .msg_iovlen = 1};

	memcpy(&slice.iov_base, &data, sizeof(data));
	msg.msg_namelen = ipaddr_to_sockaddr(&d->path.peer, d->path.port, &to);
	if (to.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&to)->sin6_scope_id = d->path.interface;
	if (d->path.local.family) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		write_control(&msg, &d->path);
	}
	return sendmsg(d->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

// Before a datagram can arrive: one without its local address would seem to be on another path.
static void prepare_socket(struct listener *l)
{
	int one = 1, bytes = SOCKET_BUFFER;

	if (l->addr.family == 6)
		setsockopt(l->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
	else
		setsockopt(l->fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
	dtls_allow_fragments(l->fd, &l->addr);
	// beyond the system's limit if we may, else up to it
	if (setsockopt(l->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (setsockopt(l->fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(l->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static void use_cookies(const struct credentials *credentials)
{
	SSL_CTX *context = credentials_context(credentials, SIDE_LISTEN, TRANSPORT_DTLS);

	SSL_CTX_set_cookie_generate_cb(context, on_make_cookie);
	SSL_CTX_set_cookie_verify_cb(context, on_check_cookie);
}

static void renew_dtls_listener(struct listener *base)
{
	use_cookies(base->credentials);
	drop_lobby(home_of(base));
}

static void close_dtls_listener(struct listener *base)
{
	drop_lobby(home_of(base));
}

static void free_dtls_listener(struct listener *base)
{
	BIO_ADDR_free(home_of(base)->nobody);
	free(home_of(base));
}

static const struct listener_ops ops = {
	.kind = TRANSPORT_DTLS,
	.prepare = prepare_socket,
	.renew = renew_dtls_listener,
	.close = close_dtls_listener,
	.free = free_dtls_listener,
};

struct listener *dtls_listen(struct evloop *loop, struct credentials *credentials,
	const struct ipaddr *addr, uint16_t port, const struct transport_events *events,
	void *(*accept)(void *ctx, struct transport *transport), void *ctx, struct err *err)
{
	const struct listen listen = {loop, credentials, addr, port, events, accept, ctx};
	struct dtls_listener *l = calloc(1, sizeof(*l));

	if (!l) {
		err_set(err, "out of memory");
		return NULL;
	}
	l->nobody = BIO_ADDR_new();
	if (!l->nobody || cookie_secret_make(&l->secret) < 0 ||
		RAND_bytes((uint8_t *)&l->seed, sizeof(l->seed)) != 1) {
		err_set(err, "out of memory or random numbers");
		goto fail;
	}
	use_cookies(credentials);
	if (listener_init(&l->base, &ops, &listen, on_datagrams, err) < 0)
		goto fail;
	return &l->base;
fail:
	free_dtls_listener(&l->base);
	return NULL;
}
