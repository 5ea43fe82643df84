/*
 * SIGSEGV, SIGBUS, SIGFPE and SIGILL raised by translated code. Most are a page that is not in the window yet: it is mapped and the
 * instruction goes on. Everything else leaves translated code through the stub `Exit`, with the registers as they are:
 *
 *     access while the GS base is lost         none: the base is set again, and the instruction goes on, see gsBase.cc
 *     page fault of the guest's own            XlateExit.Fault: CR2 and error code for TypeScript to deliver
 *     MMIO, ROM, code page, guard page, #GP    XlateExit.Slow: the interpreter runs the instruction and finds out
 *     divide error, FPU exception              the same
 *     HLT, in place of a sensitive instruction XlateExit.Trap: the strategy trap-and-emulate
 *
 * SIGPROF is here for V8's profiler, which takes the stack that it interrupts for its own.
 *
 * Everything here runs in a signal handler, on the alternate stack of the vCPU's thread, and is async-signal-safe: it reads the
 * static table of translators and calls windowMap(), which says for itself why it is. Faults of other code go to the handler
 * that was there before, V8's. Read before: translator.h, window.cc. Read after: src/translator/engine.ts.
 */
#include <cerrno>
#include <csignal>
#include <ucontext.h>

#include "gsBase.h"
#include "state.h"
#include "translator.h"

extern "C" const unsigned char romulusEnterLast[];

namespace romulus {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
constexpr int kMaxSignal = 64;
struct sigaction formerAction[kMaxSignal + 1];

/* Bit of the page-fault error code that the kernel passes on in the context (SDM 3A, "Interrupt 14"). */
constexpr std::uint64_t kErrorWrite = 2;
/* HLT, which translated code has where a sensitive instruction is to trap (src/translator/emit/emitter.ts) and nowhere else. */
constexpr unsigned char kHlt = 0xf4;
constexpr std::int32_t kPageFaultVector = 14;

/* The translator in whose code buffer, from `first` on, an instruction stands. Safe: atomic loads of static slots. */
Translator *findTranslator(std::uint64_t rip, std::uint64_t first = stub::End) {
  for (Translator &translator : translators) {
    if (!translator.open) continue;
    const auto code = reinterpret_cast<std::uint64_t>(translator.code);
    if (rip >= code + first && rip < code + translator.codeBytes) return &translator;
  }
  return nullptr;
}

/* Not ours. Safe: what the former handler does is its own affair; the default action is the kernel's. */
void chain(int signo, siginfo_t *info, void *context) {
  const struct sigaction &former = formerAction[signo];
  if ((former.sa_flags & SA_SIGINFO) != 0) {
    former.sa_sigaction(signo, info, context);
  } else if (former.sa_handler == SIG_DFL || former.sa_handler == SIG_IGN) {
    struct sigaction fallback {};
    fallback.sa_handler = SIG_DFL;
    sigaction(signo, &fallback, nullptr);
    /* A fault happens again when the handler returns; what somebody has sent has to be sent again. */
    if (info->si_code <= 0) raise(signo);
  } else {
    former.sa_handler(signo);
  }
}

void leave(Translator &translator, ucontext_t *context, std::int32_t reason) {
  auto &rip = context->uc_mcontext.gregs[REG_RIP];
  const auto code = reinterpret_cast<std::uint64_t>(translator.code);
  storeOwn32(translator.state, word::FaultOffset, static_cast<std::int32_t>(static_cast<std::uint64_t>(rip) - code));
  storeOwn32(translator.state, word::XlateExit, reason);
  rip = static_cast<greg_t>(code + stub::Exit);
}

/*
 * V8's profiler follows frame pointers from the registers that it finds, and would follow the guest's: it is not told of samples in
 * translated code. Safe: as findTranslator() and chain().
 */
void profilerHandler(int signo, siginfo_t *info, void *raw) {
  const auto rip = static_cast<std::uint64_t>(static_cast<ucontext_t *>(raw)->uc_mcontext.gregs[REG_RIP]);
  if (findTranslator(rip, 0) == nullptr && rip != reinterpret_cast<std::uint64_t>(romulusEnterLast)) chain(signo, info, raw);
}

/* See the top of this file for why it is safe. */
void faultHandler(int signo, siginfo_t *info, void *raw) {
  auto *context = static_cast<ucontext_t *>(raw);
  const auto rip = static_cast<std::uint64_t>(context->uc_mcontext.gregs[REG_RIP]);
  /* Sent by somebody and not raised by an instruction: never ours. */
  Translator *translator = info->si_code > 0 ? findTranslator(rip) : nullptr;
  if (translator == nullptr) {
    const std::uint64_t end = signo == SIGILL ? gsTrialEnd(rip) : 0;
    if (end != 0) {
      context->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(end);
    } else {
      chain(signo, info, raw);
    }
    return;
  }
  const int savedErrno = errno;
  const bool hasAddress = signo == SIGSEGV && (info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR);
  const auto base = reinterpret_cast<std::uint64_t>(translator->windows[translator->current].base);
  if (hasAddress && gsIsLost(reinterpret_cast<std::uint64_t>(info->si_addr))) {
    gsSet(base);
    addOwn64(translator->state, word::WindowsLost, 1);
    errno = savedErrno;
    return;
  }
  const std::uint64_t offset = reinterpret_cast<std::uint64_t>(info->si_addr) - base;
  std::int32_t reason = xlate_exit::Slow;
  if (hasAddress && offset < kWindowBytes) {
    const bool write = (static_cast<std::uint64_t>(context->uc_mcontext.gregs[REG_ERR]) & kErrorWrite) != 0;
    const bool user = *word32(translator->state, word::Cpl) == 3;
    std::uint32_t error = 0;
    const auto linear = static_cast<std::uint32_t>(offset);
    switch (windowMap(*translator, linear, write, user, &error)) {
      case MapResult::Mapped:
        errno = savedErrno;
        return;
      case MapResult::Fault:
        storeOwn32(translator->state, word::FaultLinear, static_cast<std::int32_t>(linear));
        storeOwn32(translator->state, word::FaultError, static_cast<std::int32_t>(error));
        storeOwn32(translator->state, word::FaultVector, kPageFaultVector);
        reason = xlate_exit::Fault;
        break;
      case MapResult::Slow:
        break;
    }
  }
  if (signo == SIGSEGV && !hasAddress && translator->code[rip - reinterpret_cast<std::uint64_t>(translator->code)] == kHlt) {
    reason = xlate_exit::Trap;
  }
  leave(*translator, context, reason);
  errno = savedErrno;
}

/* Puts a handler before the one that is there. */
int installBefore(int signo, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction present {};
  if (sigaction(signo, nullptr, &present) != 0) return -errno;
  if ((present.sa_flags & SA_SIGINFO) != 0 && present.sa_sigaction == handler) return 0;
  formerAction[signo] = present;
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | flags;
  sigemptyset(&action.sa_mask);
  return sigaction(signo, &action, nullptr) == 0 ? 0 : -errno;
}

}  // namespace

/* Not called from handlers; stands here to keep the handlers private. */
int installFaultHandlers() {
  for (const int signo : kSignals) {
    /* SA_NODEFER: a fault in the former handler must be one, and not a silent end of the process. */
    const int error = installBefore(signo, faultHandler, SA_NODEFER);
    if (error != 0) return error;
  }
  /* Only where the profiler is at work: without one the signal is a user's. */
  struct sigaction profiler {};
  if (sigaction(SIGPROF, nullptr, &profiler) != 0) return -errno;
  return (profiler.sa_flags & SA_SIGINFO) != 0 ? installBefore(SIGPROF, profilerHandler, SA_RESTART) : 0;
}

}  // namespace romulus
