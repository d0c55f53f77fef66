// SPDX-License-Identifier: BSD-3-Clause

// Reading and checking the files. What is wrong with a file is said here, with its name, before
// anything is dialled or listened on; context.c then makes OpenSSL's contexts of it.

#include "dots/credentials.h"

#include "dots/reason.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// Without this OpenSSL would ask for a passphrase on the terminal.
static int no_passphrase(char *, int, int, void *)
{
	return -1;
}

// A PEM file has ended, rather than gone wrong, when what is missing is only another start line.
static bool pem_ended(void)
{
	unsigned long e = ERR_peek_last_error();

	return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static const char *ssl_words(void)
{
	const char *words = ERR_reason_error_string(ERR_peek_error());

	return words ? words : "unreadable";
}

static int read_chain(struct credentials *c, const char *path, struct err *err)
{
	BIO *file = BIO_new_file(path, "r");
	X509 *next;

	if (!file)
		return err_set(err, "certificate %s: %s", path, strerror(errno));
	c->certificate = PEM_read_bio_X509(file, NULL, no_passphrase, NULL);
	c->chain = sk_X509_new_null();
	while (c->certificate && c->chain &&
		(next = PEM_read_bio_X509(file, NULL, no_passphrase, NULL))) {
		if (!sk_X509_push(c->chain, next)) {
			X509_free(next);
			break;
		}
	}
	BIO_free(file);
	if (!c->certificate)
		return err_set(
			err, "certificate %s: no PEM certificate in it (%s)", path, ssl_words());
	if (!pem_ended())
		return err_set(err, "certificate %s: damaged after certificate %d (%s)", path,
			sk_X509_num(c->chain) + 1, ssl_words());
	return 0;
}

int64_t certificate_end(const X509 *certificate)
{
	struct tm tm;

	return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) ? (int64_t)timegm(&tm) : 0;
}

static int check_dates(struct credentials *c, const char *path, struct err *err)
{
	const ASN1_TIME *before = X509_get0_notBefore(c->certificate);
	const ASN1_TIME *after = X509_get0_notAfter(c->certificate);
	char date[REASON_DATE];

	c->not_after = certificate_end(c->certificate);
	if (X509_cmp_current_time(before) > 0)
		return err_set(err, "certificate %s is not valid before %s", path,
			reason_date(before, date));
	if (X509_cmp_current_time(after) < 0)
		return err_set(
			err, "certificate %s has expired on %s", path, reason_date(after, date));
	return 0;
}

FILE *credentials_open_secret(const char *what, const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	FILE *file = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !(file = fdopen(fd, "r"))) {
		err_set(err, "%s %s: %s", what, path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	if (st.st_mode & 077) {
		err_set(err,
			"%s %s has mode %04o: others than its owner may use it; "
			"allowed are 0600 and 0400",
			what, path, st.st_mode & 07777u);
		fclose(file);
		return NULL;
	}
	return file;
}

static int read_key(struct credentials *c, const struct credentials_files *files, struct err *err)
{
	const char *path = files->private_key;
	FILE *file = credentials_open_secret("private key", path, err);

	if (!file)
		return -EINVAL;
	c->key = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);
	fclose(file);
	if (!c->key)
		return err_set(err, "private key %s: no PEM key without a passphrase in it (%s)",
			path, ssl_words());
	if (X509_check_private_key(c->certificate, c->key) != 1)
		return err_set(err, "private key %s does not belong to certificate %s", path,
			files->certificate);
	return 0;
}

static int read_trust(struct credentials *c, const struct credentials_files *files, struct err *err)
{
	c->trust = X509_STORE_new();
	if (!c->trust)
		return err_set(err, "out of memory");
	if (access(files->ca, R_OK) < 0)
		return err_set(err, "CA certificates %s: %s", files->ca, strerror(errno));
	if (!X509_STORE_load_file(c->trust, files->ca))
		return err_set(err, "CA certificates %s: no PEM certificate in it (%s)", files->ca,
			ssl_words());
	return 0;
}

static void find_ca_end(struct credentials *c)
{
	const STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(c->trust);

	c->ca_end = INT64_MAX;
	for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
		X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));

		if (ca && certificate_end(ca) < c->ca_end)
			c->ca_end = certificate_end(ca);
	}
	for (int i = 0; i < sk_X509_num(c->chain); i++) {
		if (certificate_end(sk_X509_value(c->chain, i)) < c->ca_end)
			c->ca_end = certificate_end(sk_X509_value(c->chain, i));
	}
}

// With a list every certificate of a peer's chain must be covered by one (RFC 5280 section 6.3): a
// list that is missing or too old refuses, rather than lets pass.
static int read_crl(struct credentials *c, const char *path, struct err *err)
{
	X509_LOOKUP *lookup = X509_STORE_add_lookup(c->trust, X509_LOOKUP_file());

	if (access(path, R_OK) < 0)
		return err_set(err, "revocation list %s: %s", path, strerror(errno));
	if (!lookup || X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) <= 0)
		return err_set(err, "revocation list %s: no PEM CRL in it (%s)", path, ssl_words());
	X509_STORE_set_flags(c->trust, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return 0;
}

static int check_given(const struct credentials_files *files, struct err *err)
{
	if (files->psk_file) {
		if (files->certificate || files->private_key || files->ca || files->crl)
			return err_set(err, "both pre-shared keys and a certificate are named");
		return 0;
	}
	if (files->psk_identity)
		return err_set(err, "no file of pre-shared keys is named");
	if (!files->certificate)
		return err_set(err, "no certificate file is named");
	if (!files->private_key)
		return err_set(err, "no private key file is named");
	if (!files->ca) // both sides are always verified (RFC 9066 section 8)
		return err_set(err, "no file of CA certificates is named");
	return 0;
}

static int load_certificate(
	struct credentials *c, const struct credentials_files *files, struct err *err)
{
	ERR_clear_error();
	if (read_chain(c, files->certificate, err) < 0 ||
		check_dates(c, files->certificate, err) < 0)
		return -EINVAL;
	ERR_clear_error();
	if (read_key(c, files, err) < 0)
		return -EINVAL;
	ERR_clear_error();
	if (read_trust(c, files, err) < 0 || (files->crl && read_crl(c, files->crl, err) < 0))
		return -EINVAL;
	find_ca_end(c);
	if (spki_of(c->certificate, c->cuid) < 0)
		return err_set(err, "out of memory");
	return 0;
}

static int load_psk(struct credentials *c, const struct credentials_files *files, struct err *err)
{
	const char *identity = files->psk_identity;

	if (psk_load(&c->psk, files->psk_file, identity, err) < 0)
		return -EINVAL;
	if (identity && spki_text(identity, strlen(identity), c->cuid) < 0)
		return err_set(err, "out of memory");
	return 0;
}

struct credentials *credentials_load(const struct credentials_files *files, struct err *err)
{
	struct credentials *c;

	if (check_given(files, err) < 0)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c) {
		err_set(err, "out of memory");
		return NULL;
	}
	c->holders = 1;
	if ((files->psk_file ? load_psk : load_certificate)(c, files, err) < 0)
		goto fail;
	ERR_clear_error();
	if (context_make_all(c, err) < 0)
		goto fail;
	ERR_clear_error();
	return c;
fail:
	ERR_clear_error();
	credentials_free(c);
	return NULL;
}

struct credentials *credentials_hold(struct credentials *c)
{
	c->holders++;
	return c;
}

void credentials_free(struct credentials *c)
{
	if (!c || --c->holders)
		return;
	for (unsigned side = 0; side < 2; side++) {
		for (unsigned kind = 0; kind < 2; kind++)
			SSL_CTX_free(c->context[side][kind]);
	}
	ticket_box_clear(&c->ticket_box);
	OPENSSL_cleanse(&c->ticket_keys, sizeof(c->ticket_keys));
	psk_clear(&c->psk);
	X509_STORE_free(c->trust);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	X509_free(c->certificate);
	free(c);
}

const char *credentials_cuid(const struct credentials *c)
{
	return c->cuid;
}

int64_t credentials_not_after(const struct credentials *c)
{
	return c->not_after;
}

bool credentials_have_psk(const struct credentials *c, const char *identity)
{
	return psk_find(&c->psk, identity) != NULL;
}

int64_t credentials_ca_end(const struct credentials *c)
{
	return c->ca_end;
}

SSL_CTX *credentials_context(const struct credentials *c, enum side side, enum transport_kind kind)
{
	return c->context[side][kind];
}

int credentials_check_side(const struct credentials *c, enum side side, struct err *err)
{
	bool dial = side == SIDE_DIAL;
	int purpose = dial ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER;

	if (credentials_use_psk(c))
		return dial && !c->cuid[0]
			? err_set(err, "no identity is named whose pre-shared key is to be used")
			: 0;
	if (X509_check_purpose(c->certificate, purpose, 0) == 1)
		return 0;
	return err_set(err, "our certificate may not be used to %s: its key usages lack %s",
		dial ? "dial" : "listen", dial ? "clientAuth" : "serverAuth");
}
