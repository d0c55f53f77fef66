// SPDX-License-Identifier: BSD-3-Clause

#include "dots/reason.h"

#include "base/bits.h"
#include "dots/association.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SUBJECT_TEXT 128

const char *reason_date(const ASN1_TIME *at, char out[REASON_DATE])
{
	struct tm tm;

	if (!ASN1_TIME_to_tm(at, &tm) || !strftime(out, REASON_DATE, "%Y-%m-%d %H:%M:%S UTC", &tm))
		snprintf(out, REASON_DATE, "an unreadable date");
	return out;
}

// RFC 4514 text, with control characters escaped: it comes from the peer.
static const char *name_text(const X509_NAME *name, char out[SUBJECT_TEXT])
{
	BIO *memory = BIO_new(BIO_s_mem());
	int length = 0;

	if (memory && X509_NAME_print_ex(memory, name, 0, XN_FLAG_RFC2253) >= 0)
		length = BIO_read(memory, out, SUBJECT_TEXT - 1);
	out[length > 0 ? length : 0] = '\0';
	BIO_free(memory);
	return out[0] ? out : strcpy(out, "empty");
}

static const char *subject_text(const X509 *certificate, char out[SUBJECT_TEXT])
{
	return name_text(X509_get_subject_name(certificate), out);
}

// A name with a zero byte or worse in it is meant to be read as another one.
static bool dns_name_is_clean(const ASN1_STRING *name)
{
	const uint8_t *data = ASN1_STRING_get0_data(name);
	int length = ASN1_STRING_length(name);

	for (int i = 0; i < length; i++) {
		if (data[i] <= ' ' || data[i] >= 0x7f)
			return false;
	}
	return length > 0;
}

// Writes the certificate's DNS names, up to `most`, with commas between them; false if it has none.
static bool dns_names(const X509 *certificate, int most, char *out, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	size_t used = 0;

	out[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && most; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		size_t length;

		if (name->type != GEN_DNS || !dns_name_is_clean(name->d.dNSName))
			continue;
		length = (size_t)ASN1_STRING_length(name->d.dNSName);
		if (used + length + 3 > size)
			continue;
		used += (size_t)snprintf(out + used, size - used, "%s%.*s", used ? ", " : "",
			(int)length, (const char *)ASN1_STRING_get0_data(name->d.dNSName));
		most--;
	}
	GENERAL_NAMES_free(names);
	return used != 0;
}

bool reason_first_name(const X509 *certificate, char *out, size_t size)
{
	return dns_names(certificate, 1, out, size);
}

void reason_expired(const X509 *certificate, struct err *why)
{
	char subject[SUBJECT_TEXT], date[REASON_DATE];

	err_set(why, "certificate has expired on %s (subject %s)",
		reason_date(X509_get0_notAfter(certificate), date),
		subject_text(certificate, subject));
}

static void not_yet_valid(const X509 *certificate, struct err *why)
{
	char subject[SUBJECT_TEXT], date[REASON_DATE];

	err_set(why, "certificate is not valid before %s (subject %s)",
		reason_date(X509_get0_notBefore(certificate), date),
		subject_text(certificate, subject));
}

static void wrong_name(const struct transport *t, const X509 *certificate, struct err *why)
{
	char names[160], subject[SUBJECT_TEXT];

	if (dns_names(certificate, 4, names, sizeof(names)))
		err_set(why, "certificate is for %s, expected %s", names, t->peer.name);
	else
		err_set(why, "certificate has no DNS name (subject %s), expected %s",
			subject_text(certificate, subject), t->peer.name);
}

static void unknown_ca(const X509 *certificate, struct err *why)
{
	char subject[SUBJECT_TEXT], issuer[SUBJECT_TEXT];

	err_set(why, "unknown CA %s (it signed the certificate of %s)",
		name_text(X509_get_issuer_name(certificate), issuer),
		subject_text(certificate, subject));
}

static void refused(const struct transport *t, const X509 *certificate, int code, struct err *why)
{
	char text[SUBJECT_TEXT];

	switch (code) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		reason_expired(certificate, why);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		not_yet_valid(certificate, why);
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
		wrong_name(t, certificate, why);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		unknown_ca(certificate, why);
		break;
	case X509_V_ERR_CERT_REVOKED:
		err_set(why, "certificate has been revoked (subject %s)",
			subject_text(certificate, text));
		break;
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		err_set(why, "no revocation list of %s is at hand",
			name_text(X509_get_issuer_name(certificate), text));
		break;
	case X509_V_ERR_CRL_HAS_EXPIRED:
		err_set(why, "the revocation list of %s is out of date",
			name_text(X509_get_issuer_name(certificate), text));
		break;
	case X509_V_ERR_INVALID_PURPOSE:
		err_set(why,
			"certificate may not be used on that side: its key usages lack %s "
			"(subject %s)",
			t->listener ? "clientAuth" : "serverAuth", subject_text(certificate, text));
		break;
	default:
		err_set(why, "%s (subject %s)", X509_verify_cert_error_string(code),
			subject_text(certificate, text));
	}
}

int reason_on_verify(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct transport *t = SSL_get_app_data(ssl);
	const X509 *certificate = X509_STORE_CTX_get_current_cert(store);

	struct err why;

	if (ok || t->refused)
		return ok;
	t->unproven = true;
	if (!certificate)
		certificate = X509_STORE_CTX_get0_cert(store);
	refused(t, certificate, X509_STORE_CTX_get_error(store), &why);
	t->refused = strdup(why.text);
	return 0;
}

static const struct {
	int reason; // of OpenSSL's queue; an alert received is its number and 1000
	const char *text;
} words[] = {
	{SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "no certificate was presented"},
	{SSL_R_NO_SHARED_CIPHER,
		"no cipher suite in common: only AEAD with an ephemeral key exchange will do"},
	{SSL_R_WRONG_CIPHER_RETURNED, "the peer chose a cipher suite we did not offer"},
	{SSL_R_NO_SUITABLE_KEY_SHARE, "no key exchange group in common"},
	{SSL_R_NO_SHARED_GROUPS, "no key exchange group in common"},
	{SSL_R_UNSUPPORTED_PROTOCOL, "protocol version too old: 1.2 is the least"},
	{SSL_R_NO_PROTOCOLS_AVAILABLE, "protocol version too old: 1.2 is the least"},
	{SSL_R_WRONG_SSL_VERSION, "protocol version too old: 1.2 is the least"},
	{SSL_R_WRONG_VERSION_NUMBER, "what was received is not TLS"},
	{SSL_R_HTTP_REQUEST, "what was received is not TLS, but HTTP"},
	{SSL_R_HTTPS_PROXY_REQUEST, "what was received is not TLS, but HTTP"},
	{SSL_R_READ_TIMEOUT_EXPIRED, "no answer to any of the retransmissions"},
	{SSL_AD_REASON_OFFSET + SSL_AD_HANDSHAKE_FAILURE,
		"the peer found no parameters in common with ours (alert 40)"},
	{SSL_AD_REASON_OFFSET + SSL_AD_BAD_CERTIFICATE,
		"the peer refused our certificate: bad certificate (alert 42)"},
	{SSL_AD_REASON_OFFSET + SSL_AD_UNSUPPORTED_CERTIFICATE,
		"the peer refused our certificate: not for this use (alert 43)"},
	{SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_REVOKED,
		"the peer refused our certificate: revoked (alert 44)"},
	{SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_EXPIRED,
		"the peer refused our certificate: expired (alert 45)"},
	{SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_UNKNOWN,
		"the peer refused our certificate: no reason given (alert 46)"},
	{SSL_AD_REASON_OFFSET + SSL_AD_UNKNOWN_CA,
		"the peer refused our certificate: unknown CA (alert 48)"},
	{SSL_AD_REASON_OFFSET + SSL_AD_ACCESS_DENIED,
		"the peer refused our certificate: access denied (alert 49)"},
	{SSL_AD_REASON_OFFSET + SSL_AD_DECRYPT_ERROR,
		"the peer could not verify our handshake (alert 51)"},
	{SSL_AD_REASON_OFFSET + SSL_AD_PROTOCOL_VERSION,
		"the peer takes none of our protocol versions (alert 70)"},
	{SSL_AD_REASON_OFFSET + SSL_AD_INSUFFICIENT_SECURITY,
		"the peer takes none of our cipher suites (alert 71)"},
	{SSL_AD_REASON_OFFSET + SSL_AD_UNRECOGNIZED_NAME,
		"the peer does not go by the server name (alert 112)"},
	{SSL_AD_REASON_OFFSET + TLS13_AD_CERTIFICATE_REQUIRED,
		"the peer asks for a certificate (alert 116)"},
};

static void cut(const struct transport *t, struct err *why)
{
	if (t->state == STATE_UP)
		err_set(why, "cut by peer, without close_notify");
	else
		err_set(why, "cut by peer in the middle of the handshake");
}

// What comes of keys that differ, or of an identity that the peer does not know. Before 1.3 it is the
// first record sealed with them that cannot be opened (RFC 4279 section 2).
static bool is_wrong_psk(struct transport *t, int reason, struct err *why)
{
	if (!credentials_use_psk(t->credentials) || t->state != STATE_HANDSHAKE)
		return false;
	switch (reason) {
	case SSL_R_BINDER_DOES_NOT_VERIFY:
	case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
		t->unproven = true;
		err_set(why, "the peer's pre-shared key is not ours");
		return true;
	case SSL_AD_REASON_OFFSET + SSL_AD_BAD_RECORD_MAC:
	case SSL_AD_REASON_OFFSET + SSL_AD_ILLEGAL_PARAMETER:
	case SSL_AD_REASON_OFFSET + SSL_AD_DECRYPT_ERROR:
	case SSL_AD_REASON_OFFSET + SSL_AD_UNKNOWN_PSK_IDENTITY:
		err_set(why, "the peer refused our identity or pre-shared key (alert %d)",
			reason - SSL_AD_REASON_OFFSET);
		return true;
	default:
		return false;
	}
}

static void from_queue(struct transport *t, unsigned long e, struct err *why)
{
	int reason = ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0;
	const char *text = ERR_reason_error_string(e);

	if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE || reason == SSL_R_BAD_SIGNATURE)
		t->unproven = true;
	if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		cut(t, why);
		return;
	}
	if (is_wrong_psk(t, reason, why))
		return;
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		if (words[i].reason == reason) {
			err_set(why, "%s", words[i].text);
			return;
		}
	}
	if (reason > SSL_AD_REASON_OFFSET)
		err_set(why, "the peer sent alert %d: %s", reason - SSL_AD_REASON_OFFSET,
			SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
	else
		err_set(why, "%s", text ? text : "unknown TLS error");
}

// The first error of libssl's is what went wrong; what libcrypto put before it are details, and what
// follows are consequences.
static unsigned long first_error(void)
{
	unsigned long first = ERR_peek_error(), e;

	while ((e = ERR_get_error())) {
		if (ERR_GET_LIB(e) == ERR_LIB_SSL)
			return e;
	}
	return first;
}

void reason_of(struct transport *t, int r, struct err *why)
{
	int kind = SSL_get_error(t->ssl, r);
	unsigned long e = first_error();

	if (t->refused) {
		err_set(why, "%s", t->refused);
		t->unproven = true;
	} else if (kind == SSL_ERROR_ZERO_RETURN)
		err_set(why, "closed by peer");
	else if (e)
		from_queue(t, e, why);
	else if (t->error)
		err_set(why, "%s", strerror(t->error));
	else
		cut(t, why);
	ERR_clear_error();
}
