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
#include <openssl/x509v3.h>

// A macro with an argument: the importer does not see it.
static inline int copenssl_error_reason(unsigned long code) { return ERR_GET_REASON(code); }
// A macro with a cast: gives the bytes that a memory BIO holds.
static inline long copenssl_bio_bytes(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }
// Macros made of other macros and casts.
static const int copenssl_select_public = EVP_PKEY_PUBLIC_KEY;
static const int copenssl_select_keypair = EVP_PKEY_KEYPAIR;
// Macros over lists of certificates and names.
static inline STACK_OF(X509) *copenssl_certificates_new(void) { return sk_X509_new_null(); }
static inline void copenssl_certificates_free(STACK_OF(X509) *list) { sk_X509_pop_free(list, X509_free); }
static inline int copenssl_certificates_add(STACK_OF(X509) *list, X509 *one) {
  if (!X509_up_ref(one)) return 0;
  if (sk_X509_push(list, one) > 0) return 1;
  X509_free(one);
  return 0;
}
static inline int copenssl_certificate_count(const STACK_OF(X509) *list) { return sk_X509_num(list); }
static inline X509 *copenssl_certificate(const STACK_OF(X509) *list, int place) { return sk_X509_value(list, place); }
static inline GENERAL_NAMES *copenssl_alternative_names(const X509 *certificate) {
  return (GENERAL_NAMES *)X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
}
static inline int copenssl_name_count(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }
// The text of a name; NULL where it is of another kind than DNS, e-mail and URI.
static inline const ASN1_STRING *copenssl_name_text(const GENERAL_NAMES *names, int place) {
  int kind = -1;
  void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, place), &kind);
  return kind == GEN_DNS || kind == GEN_EMAIL || kind == GEN_URI ? (const ASN1_STRING *)value : NULL;
}
static inline void copenssl_free(void *memory) { OPENSSL_free(memory); }
static const unsigned long copenssl_rfc2253 = XN_FLAG_RFC2253;
