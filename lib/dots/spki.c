// SPDX-License-Identifier: BSD-3-Clause

#include "dots/spki.h"

#include <openssl/evp.h>

#include <errno.h>

int spki_text(const void *data, size_t length, char out[SPKI_TEXT])
{
	uint8_t digest[EVP_MAX_MD_SIZE], base64[25];

	if (!EVP_Digest(data, length, digest, NULL, EVP_sha256(), NULL))
		return -ENOMEM;
	EVP_EncodeBlock(base64, digest, 16);
	// base64url (RFC 4648 section 5), without the two signs of padding
	for (unsigned i = 0; i < SPKI_TEXT - 1; i++)
		out[i] = base64[i] == '+' ? '-' : base64[i] == '/' ? '_' : (char)base64[i];
	out[SPKI_TEXT - 1] = '\0';
	return 0;
}

int spki_of(const X509 *certificate, char out[SPKI_TEXT])
{
	uint8_t *der = NULL;
	int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
	int r = length < 0 ? -ENOMEM : spki_text(der, (size_t)length, out);

	OPENSSL_free(der);
	return r;
}
