/*
 * Making and removing routes from host signals to guest irqs. Errors are negative errno values.
 */
#ifndef ROMULUS_ROUTES_H
#define ROMULUS_ROUTES_H

#include <cstdint>
#include <sys/types.h>

#include "memory.h"

namespace romulus {

/* Routes a signal to an irq of the state block in `memory`, taking over the caller's reference when it succeeds. Returns an id. */
int routeAdd(int signo, Memory *memory, unsigned irq);

/* Removes a route and waits until no handler uses it. -ENOENT: no such route. */
int routeRemove(int id);

/* Routes that exist now. */
int routeLive();

/*
 * Sends `count` signals to a process as fast as the host takes them. A full queue is waited for. Returns how often it was full;
 * a negative errno when sending failed for another reason.
 */
std::int64_t storm(pid_t pid, int signo, std::int64_t count);

}  // namespace romulus

#endif
