/*
 * Routes from host signals to guest irqs: who installs routeHandler() and when the signal gets its former action back. The
 * handler itself is in signal.cc. Several machines may route the same signal; each gets the event.
 */
#include "routes.h"

#include <cerrno>
#include <csignal>
#include <mutex>
#include <sched.h>

#include "mask.h"
#include "signal.h"

namespace romulus {
namespace {

constexpr int kMaxSignal = 64;

std::mutex lock;
int lastId = 0;
/* By signal number: how many routes it has, and the action to give back after the last of them. */
int uses[kMaxSignal + 1];
struct sigaction formerAction[kMaxSignal + 1];

int install(int signo) {
  struct sigaction action {};
  action.sa_sigaction = routeHandler;
  action.sa_flags = SA_RESTART | SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  return sigaction(signo, &action, &formerAction[signo]) == 0 ? 0 : -errno;
}

/*
 * Gives a signal its former action back, unless somebody has put another in our place since, such as libuv for a listener: that one
 * stays. It is ignored for a moment first, which makes the kernel drop those still queued (sigaction(2)): by default they would end the
 * process now.
 */
void uninstall(int signo) {
  struct sigaction current {};
  if (sigaction(signo, nullptr, &current) != 0 || (current.sa_flags & SA_SIGINFO) == 0 || current.sa_sigaction != routeHandler) return;
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(signo, &ignore, nullptr);
  sigaction(signo, &formerAction[signo], nullptr);
}

}  // namespace

int routeAdd(int signo, Memory *memory, unsigned irq) {
  if (signo < 1 || signo > kMaxSignal) return -EINVAL;
  std::lock_guard<std::mutex> hold(lock);
  for (Route &route : routes) {
    if (route.signo != 0 || route.users != 0) continue;
    route.state = memory->host;
    route.irq = irq;
    route.memory = memory;
    route.id = lastId + 1;
    route.signo = signo;
    if (uses[signo] == 0) {
      const int error = install(signo);
      if (error != 0) {
        route.signo = 0;
        return error;
      }
    }
    uses[signo]++;
    maskRouted(signo, true);
    /* The kernel gives the process's signals to any thread that does not block them: this one will do. */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, signo);
    pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
    return ++lastId;
  }
  return -EMFILE;
}

int routeRemove(int id) {
  std::lock_guard<std::mutex> hold(lock);
  for (Route &route : routes) {
    const int signo = route.signo;
    if (signo == 0 || route.id != id) continue;
    if (--uses[signo] == 0) {
      maskRouted(signo, false);
      uninstall(signo);
    }
    route.signo = 0;
    while (route.users != 0) sched_yield();
    memoryDrop(route.memory);
    route.memory = nullptr;
    route.state = nullptr;
    return 0;
  }
  return -ENOENT;
}

int routeLive() {
  std::lock_guard<std::mutex> hold(lock);
  int live = 0;
  for (const Route &route : routes) live += route.signo != 0 ? 1 : 0;
  return live;
}

std::int64_t storm(pid_t pid, int signo, std::int64_t count) {
  std::int64_t full = 0;
  for (std::int64_t sent = 0; sent < count;) {
    if (sigqueue(pid, signo, sigval{}) == 0) {
      sent++;
    } else if (errno == EAGAIN) {
      full++;
      sched_yield();
    } else if (errno != EINTR) {
      return -errno;
    }
  }
  return full;
}

}  // namespace romulus
