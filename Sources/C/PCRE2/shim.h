// What PCRE2's header needs to be seen from Swift: the width suffix chosen, macros named.
#pragma once
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
