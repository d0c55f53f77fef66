// SPDX-License-Identifier: BSD-3-Clause

#include "dots/ticket.h"

#include "base/bits.h"
#include "base/clock.h"
#include "dots/association.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include <stdlib.h>
#include <string.h>

// A key is changed daily (RFC 7525 section 3.4 asks for regularly, RFC 5077 section 5.5 for limited
// lifetimes) and its tickets are taken for three days more, so that a session that was up for two
// days still resumes.
#define KEY_LIFE     (24 * 3600 * CLOCK_SECOND)
#define KEY_USE      (TICKET_KEYS * KEY_LIFE)
#define SESSION_LIFE ((TICKET_KEYS - 1) * 24 * 3600) // seconds, as OpenSSL counts them

// Names we keep a ticket for; more upstream domains than that go without.
#define BOX_ROOM 64

static struct ticket_key *newest_key(struct ticket_keys *keys)
{
	struct ticket_key *key = &keys->ring[keys->newest];

	if (key->used && clock_now() - key->made < KEY_LIFE)
		return key;
	if (key->used)
		keys->newest = (keys->newest + 1) % TICKET_KEYS;
	key = &keys->ring[keys->newest];
	key->used = false;
	if (RAND_bytes(key->name, sizeof(key->name)) != 1 ||
		RAND_priv_bytes(key->cipher, sizeof(key->cipher)) != 1 ||
		RAND_priv_bytes(key->mac, sizeof(key->mac)) != 1)
		return NULL;
	key->made = clock_now();
	key->used = true;
	return key;
}

static struct ticket_key *named_key(struct ticket_keys *keys, const uint8_t name[16])
{
	for (unsigned i = 0; i < TICKET_KEYS; i++) {
		struct ticket_key *key = &keys->ring[i];

		if (key->used && clock_now() - key->made < KEY_USE &&
			!memcmp(key->name, name, sizeof(key->name)))
			return key;
	}
	return NULL;
}

static bool set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
	char digest[] = "sha256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

// Returns, as OpenSSL wants it: -1 fatal, 0 no such key (a full handshake follows), 1 go on, 2 go
// on and give out a new ticket.
static int on_ticket(
	SSL *ssl, uint8_t name[16], uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int make)
{
	struct credentials *credentials = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct ticket_keys *keys = &credentials->ticket_keys;
	struct ticket_key *key;

	if (!make) {
		key = named_key(keys, name);
		if (!key)
			return 0;
		if (!set_mac(mac, key) ||
			EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) != 1)
			return -1;
		return 2;
	}
	key = newest_key(keys);
	if (!key || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
		return -1;
	memcpy(name, key->name, sizeof(key->name));
	if (!set_mac(mac, key) ||
		EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) != 1)
		return -1;
	return 1;
}

bool ticket_issue(SSL_CTX *context)
{
	SSL_CTX_set_timeout(context, SESSION_LIFE);
	return SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) == 1;
}

struct ticket {
	struct ticket *next;
	enum transport_kind kind;
	SSL_SESSION *session;
	char name[];
};

static void ticket_free(struct ticket *ticket)
{
	SSL_SESSION_free(ticket->session);
	free(ticket);
}

// Takes the ticket for this kind and name out of the box; NULL if there is none.
static struct ticket *take(struct ticket_box *box, enum transport_kind kind, const char *name)
{
	for (struct ticket **at = &box->newest; *at; at = &(*at)->next) {
		struct ticket *ticket = *at;

		if (ticket->kind == kind && !strcmp(ticket->name, name)) {
			*at = ticket->next;
			box->count--;
			return ticket;
		}
	}
	return NULL;
}

static void put(struct ticket_box *box, struct ticket *ticket)
{
	ticket->next = box->newest;
	box->newest = ticket;
	box->count++;
}

static void drop_oldest(struct ticket_box *box)
{
	struct ticket **at = &box->newest;

	while ((*at)->next)
		at = &(*at)->next;
	ticket_free(*at);
	*at = NULL;
	box->count--;
}

void ticket_keep(struct transport *t, SSL_SESSION *session)
{
	struct ticket_box *box = &t->credentials->ticket_box;
	struct ticket *ticket;
	size_t length;

	if (!SSL_SESSION_is_resumable(session))
		return;
	ticket = take(box, t->ops->kind, t->peer.name);
	if (!ticket) {
		length = strlen(t->peer.name) + 1;
		ticket = calloc(1, sizeof(*ticket) + length);
		if (!ticket)
			return;
		ticket->kind = t->ops->kind;
		memcpy(ticket->name, t->peer.name, length);
	}
	if (box->count == BOX_ROOM)
		drop_oldest(box);
	SSL_SESSION_up_ref(session);
	SSL_SESSION_free(ticket->session);
	ticket->session = session;
	put(box, ticket);
}

bool ticket_offer(struct transport *t)
{
	struct ticket_box *box = &t->credentials->ticket_box;
	struct ticket *ticket = take(box, t->ops->kind, t->peer.name);

	if (!ticket)
		return false;
	put(box, ticket);
	return SSL_set_session(t->ssl, ticket->session) == 1;
}

void ticket_forget(struct transport *t)
{
	struct ticket *ticket = take(&t->credentials->ticket_box, t->ops->kind, t->peer.name);

	if (ticket)
		ticket_free(ticket);
}

void ticket_box_clear(struct ticket_box *box)
{
	while (box->newest)
		drop_oldest(box);
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
	ticket_keep(SSL_get_app_data(ssl), session);
	return 0; // it took its own reference
}

void ticket_collect(SSL_CTX *context)
{
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, on_new_session);
}
