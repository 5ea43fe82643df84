/*
 * Recording of external events, callable from signal handlers: the native twin of src/irq/record.ts.
 */
#ifndef ROMULUS_SIGNAL_H
#define ROMULUS_SIGNAL_H

#include <atomic>
#include <csignal>
#include <cstdint>

#include "memory.h"

namespace romulus {

/* One host signal routed to one irq of one vCPU. Slots are static and never freed: handlers walk them without a lock. */
struct Route {
  /* 0 = free. Written last when a route is made and first when it is removed. */
  std::atomic<int> signo{0};
  /* Handlers that are using the slot now. */
  std::atomic<int> users{0};
  void *state = nullptr;
  unsigned irq = 0;
  /* A reference that keeps `state` mapped. */
  Memory *memory = nullptr;
  int id = 0;
};

constexpr int kMaxRoutes = 256;
extern Route routes[kMaxRoutes];

/*
 * Records `times` events on `irq` (0 to 15) in a state block and wakes the vCPU if it sleeps. Any thread, any handler.
 * `stampNs` is when the first of them began, by CLOCK_MONOTONIC; 0 = now.
 */
void record(void *state, unsigned irq, std::uint64_t times, std::uint64_t stampNs = 0);

/* An event for a vCPU whose strategy decides the way: recorded at once, or as a signal that its mask may hold back. */
void raise(void *state, unsigned irq);

/* Wakes the vCPU thread if it sleeps; what it shall see in the attention word has been stored before. */
void wake(void *state);

/* Handler of every routed signal. */
void routeHandler(int signo, siginfo_t *info, void *context);

/* Installs the handlers of kTimerSignal and kEventSignal, once per process. */
int installVcpuHandlers();

}  // namespace romulus

#endif
