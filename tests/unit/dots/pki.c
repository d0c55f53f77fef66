// SPDX-License-Identifier: BSD-3-Clause

#include "pki.h"

#include "base/bits.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY 86400L

static char dir[64];

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "pki: %s\n", what);
	abort();
}

static int remove_one(const char *path, const struct stat *, int, struct FTW *)
{
	return remove(path);
}

static pid_t owner;

static void remove_all(void)
{
	if (getpid() == owner)
		nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *pki_path(const char *name)
{
	static char path[8][128];
	static unsigned next;
	char *out = path[next++ % ARRAY_LEN(path)];

	snprintf(out, sizeof(path[0]), "%s/%s", dir, name);
	return out;
}

static const char *path_with(const char *name, const char *ending)
{
	char file[64];

	snprintf(file, sizeof(file), "%s%s", name, ending);
	return pki_path(file);
}

void pki_write(const char *name, const char *text)
{
	FILE *f = fopen(pki_path(name), "w");

	must(f && fputs(text, f) >= 0 && !fclose(f), name);
}

X509 *pki_certificate(const char *name)
{
	FILE *f = fopen(path_with(name, ".pem"), "r");
	X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

	must(x, name);
	fclose(f);
	return x;
}

EVP_PKEY *pki_key(const char *name)
{
	FILE *f = fopen(path_with(name, ".key"), "r");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;

	must(key, name);
	fclose(f);
	return key;
}

static void write_files(const char *name, X509 *x, EVP_PKEY *key)
{
	const char *path = path_with(name, ".key");
	FILE *f = fopen(path, "w");

	must(f && !chmod(path, 0600) && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL),
		"key file");
	fclose(f);
	f = fopen(path_with(name, ".pem"), "w");
	must(f && PEM_write_X509(f, x), "certificate file");
	fclose(f);
}

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;

	if (!value)
		return;
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(extension && X509_add_ext(x, extension, -1), value);
	X509_EXTENSION_free(extension);
}

void pki_issue(const struct pki_spec *spec)
{
	static long serial;
	X509 *x = X509_new(), *issuer = spec->issuer ? pki_certificate(spec->issuer) : NULL;
	EVP_PKEY *key = spec->rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	EVP_PKEY *signer = spec->issuer ? pki_key(spec->issuer) : key;
	X509_NAME *subject = X509_get_subject_name(x);
	const char *common = spec->common ? spec->common : spec->name;

	must(key && X509_set_version(x, X509_VERSION_3), "key");
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	X509_gmtime_adj(
		X509_getm_notBefore(x), spec->from_days * DAY - (spec->from_days ? 0 : DAY));
	X509_gmtime_adj(X509_getm_notAfter(x), (spec->to_days ? spec->to_days : 365) * DAY);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(
		subject, "CN", MBSTRING_ASC, (const unsigned char *)common, -1, -1, 0);
	X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : subject);
	extend(x, issuer ? issuer : x, NID_basic_constraints,
		spec->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	extend(x, issuer ? issuer : x, NID_key_usage,
		spec->is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
	extend(x, issuer ? issuer : x, NID_subject_key_identifier, "hash");
	extend(x, issuer ? issuer : x, NID_ext_key_usage, spec->usage);
	extend(x, issuer ? issuer : x, NID_subject_alt_name, spec->dns);
	must(X509_sign(x, signer, EVP_sha256()) > 0, "signature");
	write_files(spec->name, x, key);
	if (signer != key)
		EVP_PKEY_free(signer);
	EVP_PKEY_free(key);
	X509_free(issuer);
	X509_free(x);
}

// Appends a CRL of `ca` that revokes `revoked` (may be NULL) to a file. It is a month old and was
// good for `days`.
static void append_crl(const char *file, const char *ca, const char *revoked, int days)
{
	X509_CRL *crl = X509_CRL_new();
	X509 *issuer = pki_certificate(ca);
	EVP_PKEY *key = pki_key(ca);
	ASN1_TIME *now = X509_gmtime_adj(NULL, -30 * DAY);
	ASN1_TIME *next = X509_gmtime_adj(NULL, (days - 30) * DAY);
	FILE *f = fopen(pki_path(file), "a");

	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer));
	X509_CRL_set1_lastUpdate(crl, now);
	X509_CRL_set1_nextUpdate(crl, next);
	if (revoked) {
		X509_REVOKED *entry = X509_REVOKED_new();
		X509 *x = pki_certificate(revoked);

		X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(x));
		X509_REVOKED_set_revocationDate(entry, now);
		X509_CRL_add0_revoked(crl, entry);
		X509_free(x);
	}
	must(f && X509_CRL_sign(crl, key, EVP_sha256()) > 0 && PEM_write_X509_CRL(f, crl), file);
	fclose(f);
	ASN1_TIME_free(now);
	ASN1_TIME_free(next);
	EVP_PKEY_free(key);
	X509_free(issuer);
	X509_CRL_free(crl);
}

// "NAME.pem" becomes its own certificate and then that of its issuer.
static void append_chain(const char *name, const char *issuer)
{
	X509 *x = pki_certificate(issuer);
	FILE *f = fopen(path_with(name, ".pem"), "a");

	must(f && PEM_write_X509(f, x), name);
	fclose(f);
	X509_free(x);
}

#define SERVER_NAMES "DNS:" PKI_SERVER ",DNS:alias.example"
#define CLIENT_NAMES "DNS:" PKI_CLIENT
#define BOTH_NAMES   SERVER_NAMES "," CLIENT_NAMES

static const struct pki_spec specs[] = {
	{.name = "ca", .is_ca = true},
	{.name = "other-ca", .is_ca = true},
	{.name = "mid", .is_ca = true, .issuer = "ca"},
	{.name = "server", .dns = SERVER_NAMES, .issuer = "ca", .usage = "serverAuth"},
	{.name = "client", .dns = CLIENT_NAMES, .issuer = "ca", .usage = "clientAuth"},
	// RSA certificates make flights, and tickets, that do not fit one datagram
	{.name = "rsa-server", .dns = SERVER_NAMES, .issuer = "mid", .rsa = true},
	{.name = "rsa-client", .dns = CLIENT_NAMES, .issuer = "mid", .rsa = true},
	{.name = "chained", .dns = BOTH_NAMES, .issuer = "mid"},
	{.name = "unchained", .dns = BOTH_NAMES, .issuer = "mid"},
	{.name = "stranger", .dns = BOTH_NAMES, .issuer = "other-ca"},
	{.name = "self-signed", .dns = BOTH_NAMES},
	{.name = "expired", .dns = BOTH_NAMES, .issuer = "ca", .from_days = -20, .to_days = -10},
	{.name = "early", .dns = BOTH_NAMES, .issuer = "ca", .from_days = 10},
	{.name = "revoked", .dns = BOTH_NAMES, .issuer = "ca"},
	{.name = "other-name", .dns = "DNS:other.example,DNS:third.example", .issuer = "ca"},
	{.name = "wildcard", .dns = "DNS:*.example", .issuer = "ca"},
	{.name = "cn-only", .common = PKI_SERVER, .issuer = "ca"},
	{.name = "server-only", .dns = BOTH_NAMES, .issuer = "ca", .usage = "serverAuth"},
	{.name = "client-only", .dns = BOTH_NAMES, .issuer = "ca", .usage = "clientAuth"},
};

void pki_start(void)
{
	snprintf(dir, sizeof(dir), "/tmp/pki-XXXXXX");
	must(mkdtemp(dir), "temporary folder");
	owner = getpid();
	atexit(remove_all);
	for (unsigned i = 0; i < ARRAY_LEN(specs); i++)
		pki_issue(&specs[i]);
	append_chain("chained", "mid");
	append_chain("rsa-server", "mid");
	append_chain("rsa-client", "mid");
	append_crl("ca.crl", "ca", "revoked", 60);
	append_crl("ca-and-mid.crl", "ca", "revoked", 60);
	append_crl("ca-and-mid.crl", "mid", NULL, 60);
	append_crl("old.crl", "ca", NULL, 20);
}

struct credentials *pki_credentials(const char *name, const char *ca, const char *crl)
{
	const struct credentials_files files = {
		.certificate = path_with(name, ".pem"),
		.private_key = path_with(name, ".key"),
		.ca = pki_path(ca),
		.crl = crl ? pki_path(crl) : NULL,
	};
	struct err err = {0};
	struct credentials *c = credentials_load(&files, &err);

	must(c, err.text);
	return c;
}
