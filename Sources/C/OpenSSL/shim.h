// What libcrypto's headers need to be seen from Swift: function-like macros.
#pragma once
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

// A macro with an argument: the importer does not see it.
static inline int copenssl_error_reason(unsigned long code) { return ERR_GET_REASON(code); }
// A macro with a cast: gives the bytes that a memory BIO holds.
static inline long copenssl_bio_bytes(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }
// Macros made of other macros and casts.
static const int copenssl_select_public = EVP_PKEY_PUBLIC_KEY;
static const int copenssl_select_keypair = EVP_PKEY_KEYPAIR;
