// What libcurl's header needs to be seen from Swift: variadic functions, one wrapper a type.
#pragma once
#include <curl/curl.h>
