// What hiredis' reader needs to be seen from Swift: its headers alone; the sockets are not its business here.
#pragma once
#include <hiredis/hiredis.h>
#include <hiredis/read.h>
