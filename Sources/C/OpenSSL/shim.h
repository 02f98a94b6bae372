// What libcrypto's headers need to be seen from Swift: function-like macros.
#pragma once
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
