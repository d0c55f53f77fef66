// SPDX-License-Identifier: BSD-3-Clause

#include "dots/psk.h"

#include "dots/association.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ------------------------------------------------------------------ reading

static bool identity_is_clean(const char *identity, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (identity[i] <= ' ' || identity[i] >= 0x7f || identity[i] == ':')
			return false;
	}
	return length > 0 && length <= PSK_IDENTITY_MAX;
}

// Reads "IDENTITY:KEY"; returns what is wrong with it, NULL if nothing is.
static const char *read_line(const char *line, struct psk *psk)
{
	const char *colon = strchr(line, ':');
	size_t bytes = 0;

	if (!colon)
		return "no colon. Allowed: IDENTITY:KEY";
	if (!identity_is_clean(line, (size_t)(colon - line)))
		return "not an identity. Allowed: 1 to 128 printable ASCII characters without "
		       "spaces";
	if (!OPENSSL_hexstr2buf_ex(psk->key, sizeof(psk->key), &bytes, colon + 1, '\0') ||
		bytes < PSK_KEY_LEAST)
		return "not a key. Allowed: 32 to 128 hexadecimal digits, two for each byte";
	snprintf(psk->identity, sizeof(psk->identity), "%.*s", (int)(colon - line), line);
	psk->length = (unsigned)bytes;
	return NULL;
}

// Room for one more; the old list, which realloc() would leave behind readable, is wiped.
static bool grow(struct psk_ring *ring)
{
	struct psk *list;

	if (ring->count & (ring->count - 1))
		return true; // there is room up to the next power of two
	list = calloc(ring->count ? 2 * ring->count : 1, sizeof(*list));
	if (!list)
		return false;
	if (ring->count) {
		memcpy(list, ring->psk, ring->count * sizeof(*list));
		OPENSSL_cleanse(ring->psk, ring->count * sizeof(*list));
	}
	free(ring->psk);
	ring->psk = list;
	return true;
}

static int read_lines(
	struct psk_ring *ring, FILE *file, const char *path, const char *identity, struct err *err)
{
	struct psk psk = {0};
	char line[PSK_IDENTITY_MAX + 2 * PSK_KEY_MAX + 8];
	const char *fault = NULL;
	unsigned number = 0;

	while (!fault && fgets(line, sizeof(line), file)) {
		size_t length = strlen(line);

		number++;
		if (line[length - 1] != '\n' && !feof(file)) {
			fault = "too long, or not text. Allowed: IDENTITY:KEY";
			break;
		}
		line[strcspn(line, "\r\n")] = '\0';
		if (!line[0] || line[0] == '#')
			continue;
		fault = read_line(line, &psk);
		if (fault || (identity && strcmp(identity, psk.identity) != 0))
			continue;
		if (!grow(ring))
			fault = "out of memory";
		else
			ring->psk[ring->count++] = psk;
	}
	OPENSSL_cleanse(line, sizeof(line));
	OPENSSL_cleanse(&psk, sizeof(psk));
	ERR_clear_error();
	return fault ? err_set(err, "pre-shared keys %s: line %u: %s", path, number, fault) : 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct psk *)a)->identity, ((const struct psk *)b)->identity);
}

int psk_load(struct psk_ring *ring, const char *path, const char *identity, struct err *err)
{
	FILE *file = credentials_open_secret("pre-shared keys", path, err);
	int rc;

	if (!file)
		return -EINVAL;
	rc = read_lines(ring, file, path, identity, err);
	fclose(file);
	if (rc < 0)
		return rc;
	if (!ring->count)
		return err_set(err, "pre-shared keys %s: no key%s%s in it", path,
			identity ? " of identity " : "", identity ? identity : "");
	qsort(ring->psk, ring->count, sizeof(*ring->psk), compare);
	for (unsigned i = 1; i < ring->count; i++) {
		if (!compare(&ring->psk[i - 1], &ring->psk[i]))
			return err_set(err, "pre-shared keys %s: identity %s has two", path,
				ring->psk[i].identity);
	}
	if (RAND_priv_bytes(ring->nobodys, sizeof(ring->nobodys)) != 1)
		return err_set(err, "no random numbers");
	return 0;
}

void psk_clear(struct psk_ring *ring)
{
	if (ring->psk)
		OPENSSL_cleanse(ring->psk, ring->count * sizeof(*ring->psk));
	free(ring->psk);
	OPENSSL_cleanse(ring, sizeof(*ring));
}

const struct psk *psk_find(const struct psk_ring *ring, const char *identity)
{
	struct psk wanted;

	if (!ring->count || strlen(identity) > PSK_IDENTITY_MAX)
		return NULL;
	snprintf(wanted.identity, sizeof(wanted.identity), "%s", identity);
	return bsearch(&wanted, ring->psk, ring->count, sizeof(*ring->psk), compare);
}

// ------------------------------------------------------------------ in the handshake

static unsigned on_offer(
	SSL *ssl, const char *, char *identity, unsigned identity_room, uint8_t *key, unsigned room)
{
	const struct credentials *credentials = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const struct psk *psk = credentials->psk.psk;

	if (strlen(psk->identity) > identity_room || psk->length > room)
		return 0;
	memcpy(identity, psk->identity, strlen(psk->identity) + 1);
	memcpy(key, psk->key, psk->length);
	return psk->length;
}

static void note_unknown(struct transport *t, const char *identity)
{
	bool clean = identity_is_clean(identity, strlen(identity));
	struct err why;

	err_set(&why, "there is no pre-shared key of %s%s",
		clean ? "identity " : "the peer's identity", clean ? identity : "");
	free(t->refused);
	t->refused = strdup(why.text);
}

unsigned psk_offered(const uint8_t *extension, size_t length)
{
	size_t end = length < 2 ? 0 : (size_t)extension[0] << 8 | extension[1];
	const uint8_t *p = extension + 2;
	unsigned count = 0;

	if (length < 2)
		return 0;
	if (end > length - 2)
		end = length - 2;
	// each is a length of two bytes, so many bytes, and an age of four
	while (end >= 2) {
		size_t bytes = (size_t)p[0] << 8 | p[1];

		if (end < 2 + bytes + 4)
			break;
		count += bytes <= PSK_MAX_IDENTITY_LEN;
		p += 2 + bytes + 4;
		end -= 2 + bytes + 4;
	}
	return count;
}

static int on_hello(SSL *ssl, int *, void *)
{
	struct transport *t = SSL_get_app_data(ssl);
	const uint8_t *extension;
	size_t length;

	t->identities = SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &extension, &length)
		? psk_offered(extension, length)
		: 0;
	return SSL_CLIENT_HELLO_SUCCESS;
}

// In TLS 1.3 a peer may name several, and is asked about one after the other until a key is given. What is not here
// is passed over but for the last, which gets nobody's. The identity is the peer's word until the handshake is
// complete.
static unsigned on_named(SSL *ssl, const char *identity, uint8_t *key, unsigned room)
{
	struct transport *t = SSL_get_app_data(ssl);
	const struct psk_ring *ring = &t->credentials->psk;
	const struct psk *psk = psk_find(ring, identity);
	const uint8_t *bytes = psk ? psk->key : ring->nobodys;
	unsigned length = psk ? psk->length : sizeof(ring->nobodys);

	t->named = true;
	if (t->identities)
		t->identities--;
	if (!psk && t->identities)
		return 0;
	if (psk)
		snprintf(t->peer.name, sizeof(t->peer.name), "%s", psk->identity);
	else
		note_unknown(t, identity);
	if (length > room)
		return 0;
	memcpy(key, bytes, length);
	return length;
}

void psk_offer(SSL_CTX *context)
{
	SSL_CTX_set_psk_client_callback(context, on_offer);
}

void psk_ask(SSL_CTX *context)
{
	SSL_CTX_set_client_hello_cb(context, on_hello, NULL);
	SSL_CTX_set_psk_server_callback(context, on_named);
}

bool psk_was_used(SSL *ssl)
{
	if (SSL_version(ssl) == TLS1_3_VERSION)
		return SSL_session_reused(ssl); // there are no tickets that it could be otherwise
	return SSL_CIPHER_get_auth_nid(SSL_get_current_cipher(ssl)) == NID_auth_psk;
}
