/* See sysenter.cc. Read before: machine.h. */
#ifndef ROMULUS_SYSENTER_H
#define ROMULUS_SYSENTER_H

#include "machine.h"

namespace romulus {

/* SYSENTER from CPL 3 and SYSEXIT from CPL 0. They return false with nothing changed where the instruction faults or is not plain. */
bool sysenter(Machine &machine);
bool sysexit(Machine &machine);

}  // namespace romulus

#endif
