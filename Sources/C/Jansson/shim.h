// What jansson's header needs to be seen from Swift.
#pragma once
#include <jansson.h>
