// SPDX-License-Identifier: BSD-3-Clause

// What is read from PEM files, and what is said about files that will not do.

#include "base/bits.h"
#include "dots/credentials.h"

#include "pki.h"
#include "unit.h"

#include <openssl/pem.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct credentials_files files_of(const char *certificate, const char *key)
{
	return (struct credentials_files){
		.certificate = pki_path(certificate),
		.private_key = pki_path(key),
		.ca = pki_path("ca.pem"),
	};
}

static void refused(const struct credentials_files *files, const char *file, const char *reason)
{
	struct err err = {0};

	assert_null(credentials_load(files, &err));
	assert_text_has(err.text, file);
	assert_text_has(err.text, reason);
}

// The recipe of RFC 9132 section 4.4.1.1 on the generator point of P-256 as a public key.
static void cuid_of_known_key(void **)
{
	static const char hex[] =
		"3059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e12c4247f8bce6e563a4"
		"40f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315e"
		"cecbb6406837bf51f5";
	uint8_t der[(sizeof(hex) - 1) / 2];
	char cuid[SPKI_TEXT];

	for (size_t i = 0; i < sizeof(der); i++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		der[i] = (uint8_t)byte;
	}
	assert_int_equal(spki_text(der, sizeof(der), cuid), 0);
	assert_string_equal(cuid, "XNJS-wzokyQ2-vjM0QQJgQ");
}

static void loads(void **)
{
	struct credentials *c = pki_credentials("client", "ca.pem", "ca.crl");
	int64_t left = credentials_not_after(c) - time(NULL);
	X509 *x = pki_certificate("client");
	char cuid[SPKI_TEXT];

	assert_true(credentials_ca_end(c) > time(NULL));
	assert_int_equal(spki_of(x, cuid), 0);
	assert_string_equal(credentials_cuid(c), cuid);
	assert_int_equal(strlen(cuid), 22);
	assert_true(left > 364 * 86400 && left <= 365 * 86400);
	credentials_free(c);
	X509_free(x);
}

static void names_what_is_missing(void **)
{
	struct credentials_files files = files_of("server.pem", "server.key");

	files.certificate = NULL;
	refused(&files, "", "no certificate file is named");
	files = files_of("server.pem", "server.key");
	files.private_key = NULL;
	refused(&files, "", "no private key file is named");
	files = files_of("server.pem", "server.key");
	files.ca = NULL;
	refused(&files, "", "no file of CA certificates is named");
	files = files_of("absent.pem", "server.key");
	refused(&files, "/absent.pem", "No such file");
	files = files_of("server.pem", "absent.key");
	refused(&files, "/absent.key", "No such file");
	files = files_of("server.pem", "server.key");
	files.ca = pki_path("absent-ca.pem");
	refused(&files, "/absent-ca.pem", "No such file");
	files = files_of("server.pem", "server.key");
	files.crl = pki_path("absent.crl");
	refused(&files, "/absent.crl", "No such file");
}

static void names_what_is_not_pem(void **)
{
	struct credentials_files files;

	pki_write("text", "not PEM at all\n");
	assert_int_equal(chmod(pki_path("text"), 0600), 0);
	files = files_of("text", "server.key");
	refused(&files, "/text", "no PEM certificate");
	files = files_of("server.pem", "text");
	refused(&files, "/text", "no PEM key");
	files = files_of("server.pem", "server.key");
	files.ca = pki_path("text");
	refused(&files, "/text", "no PEM certificate");
	files = files_of("server.pem", "server.key");
	files.crl = pki_path("text");
	refused(&files, "/text", "no PEM CRL");
	// a chain whose second certificate is damaged must not pass for a chain of one
	{
		char text[8192];
		FILE *f = fopen(pki_path("server.pem"), "r");
		size_t n = fread(text, 1, sizeof(text) / 2, f);

		fclose(f);
		strcpy(text + n, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
		pki_write("damaged.pem", text);
	}
	files = files_of("damaged.pem", "server.key");
	refused(&files, "/damaged.pem", "damaged after certificate 1");
}

static void key_is_for_its_owner_only(void **)
{
	static const mode_t open[] = {0640, 0604, 0660, 0644, 0610};
	struct credentials_files files = files_of("server.pem", "server.key");
	char mode[16];

	for (unsigned i = 0; i < ARRAY_LEN(open); i++) {
		assert_int_equal(chmod(pki_path("server.key"), open[i]), 0);
		snprintf(mode, sizeof(mode), "mode %04o", (unsigned)open[i]);
		files = files_of("server.pem", "server.key");
		refused(&files, "/server.key", mode);
	}
	assert_int_equal(chmod(pki_path("server.key"), 0400), 0);
	credentials_free(pki_credentials("server", "ca.pem", NULL));
	assert_int_equal(chmod(pki_path("server.key"), 0600), 0);
}

static void key_belongs_to_certificate(void **)
{
	struct credentials_files files = files_of("server.pem", "client.key");

	refused(&files, "/client.key", "does not belong to certificate");
}

// It must not ask for the passphrase: there is nobody at the terminal.
static void key_without_passphrase(void **)
{
	struct credentials_files files;
	EVP_PKEY *key = pki_key("server");
	FILE *f = fopen(pki_path("locked.key"), "w");
	unsigned char secret[] = "secret";

	assert_int_equal(PEM_write_PrivateKey(f, key, EVP_aes_128_cbc(), secret, 6, NULL, NULL), 1);
	fclose(f);
	EVP_PKEY_free(key);
	assert_int_equal(chmod(pki_path("locked.key"), 0600), 0);
	files = files_of("server.pem", "locked.key");
	refused(&files, "/locked.key", "without a passphrase");
}

static void dates(void **)
{
	struct credentials_files files = files_of("expired.pem", "expired.key");

	refused(&files, "/expired.pem", "has expired on 20");
	files = files_of("early.pem", "early.key");
	refused(&files, "/early.pem", "is not valid before 20");
}

// A key that a laptop can break is no key (OpenSSL's security level 2: 112 bits).
static void weak_key(void **)
{
	struct credentials_files files;
	EVP_PKEY *key = EVP_RSA_gen(1024);
	X509 *x = pki_certificate("server");
	FILE *f = fopen(pki_path("weak.key"), "w");

	assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(f);
	assert_int_equal(chmod(pki_path("weak.key"), 0600), 0);
	X509_set_pubkey(x, key);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	f = fopen(pki_path("weak.pem"), "w");
	assert_int_equal(PEM_write_X509(f, x), 1);
	fclose(f);
	EVP_PKEY_free(key);
	X509_free(x);
	files = files_of("weak.pem", "weak.key");
	refused(&files, "", "ee key too small");
}

static void certificate_is_for_its_side(void **)
{
	struct credentials *c = pki_credentials("server-only", "ca.pem", NULL);
	struct err err = {0};

	assert_int_equal(credentials_check_side(c, SIDE_LISTEN, &err), 0);
	assert_true(credentials_check_side(c, SIDE_DIAL, &err) < 0);
	assert_text_has(err.text, "may not be used to dial: its key usages lack clientAuth");
	credentials_free(c);
	c = pki_credentials("client-only", "ca.pem", NULL);
	assert_int_equal(credentials_check_side(c, SIDE_DIAL, &err), 0);
	assert_true(credentials_check_side(c, SIDE_LISTEN, &err) < 0);
	assert_text_has(err.text, "may not be used to listen: its key usages lack serverAuth");
	credentials_free(c);
	c = pki_credentials("chained", "ca.pem", NULL);
	assert_int_equal(credentials_check_side(c, SIDE_DIAL, &err), 0);
	assert_int_equal(credentials_check_side(c, SIDE_LISTEN, &err), 0);
	credentials_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuid_of_known_key),
		cmocka_unit_test(loads),
		cmocka_unit_test(names_what_is_missing),
		cmocka_unit_test(names_what_is_not_pem),
		cmocka_unit_test(key_is_for_its_owner_only),
		cmocka_unit_test(key_belongs_to_certificate),
		cmocka_unit_test(key_without_passphrase),
		cmocka_unit_test(dates),
		cmocka_unit_test(weak_key),
		cmocka_unit_test(certificate_is_for_its_side),
	};

	pki_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
