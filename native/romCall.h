/* See romCall.cc. Read before: machine.h. */
#ifndef ROMULUS_ROM_CALL_H
#define ROMULUS_ROM_CALL_H

#include <cstdint>

#include "machine.h"

namespace romulus {

/*
 * Makes a ROM call, if it is one of the few that are made here and nothing about it is out of the ordinary; counts it. The caller goes on
 * behind the VMCALL. Returns false with nothing changed otherwise.
 */
bool romCall(Machine &machine, std::uint32_t number);

/* Drops the translation of an address, as InvalPage and INVLPG do. Returns false with nothing changed where that is for TypeScript to do. */
bool invalidatePage(Machine &machine, std::uint32_t linear);

}  // namespace romulus

#endif
