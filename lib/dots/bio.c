// SPDX-License-Identifier: BSD-3-Clause

// The BIO under every SSL here. OpenSSL's own would do for one socket with one peer, but a DTLS
// listener has one socket for all (a memory BIO in between loses the borders of datagrams), and its
// TCP BIO raises SIGPIPE.

#include "dots/association.h"

#include <openssl/bio.h>

#include <errno.h>
#include <limits.h>

static int finish(BIO *bio, ssize_t done, int retry)
{
	struct transport *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (done >= 0)
		return (int)done;
	if (done == -EAGAIN)
		BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
	else
		t->error = (int)-done;
	return -1;
}

static int bio_read(BIO *bio, char *data, int size)
{
	struct transport *t = BIO_get_data(bio);
	ssize_t n;

	if (size <= 0)
		return 0;
	n = t->ops->read(t, (uint8_t *)data, (size_t)size);
	if (n > 0)
		t->heard = true;
	else if (!n)
		t->ended = true;
	return finish(bio, n, BIO_FLAGS_READ);
}

static int bio_write(BIO *bio, const char *data, int length)
{
	struct transport *t = BIO_get_data(bio);

	if (length <= 0)
		return 0;
	return finish(
		bio, t->ops->write(t, (const uint8_t *)data, (size_t)length), BIO_FLAGS_WRITE);
}

// Nothing is held back here, and the path's MTU is not ours to know: to all else the answer is 0.
static long bio_ctrl(BIO *bio, int command, long, void *)
{
	const struct transport *t = BIO_get_data(bio);

	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return t->ended;
	default:
		return 0;
	}
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static const BIO_METHOD *bio_method(void)
{
	static BIO_METHOD *method;

	if (method)
		return method;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "association");
	if (!method)
		return NULL;
	BIO_meth_set_create(method, bio_create);
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
	return method;
}

BIO *bio_new(struct transport *t)
{
	const BIO_METHOD *method = bio_method();
	BIO *bio = method ? BIO_new(method) : NULL;

	if (bio)
		BIO_set_data(bio, t);
	return bio;
}
