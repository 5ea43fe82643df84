/*
 * Opening and closing what a vCPU needs for translated code, and entering it. Read before: translator.h. Read after: window.cc.
 */
#include "translator.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fpuPointers.h"
#include "gsBase.h"
#include "signal.h"
#include "state.h"

extern "C" {
void romulusEnter(void *state);
extern const unsigned char romulusStubs[];
extern const unsigned char romulusStubsEnd[];
}

namespace romulus {

Translator translators[kMaxTranslators];

namespace {

std::mutex lock;

/* The host's limit is for the whole process; this much of it is left to everybody else. */
constexpr std::uint32_t kMappingsOfOthers = 8192;
constexpr std::uint32_t kDefaultMaxMappings = 65530;

/* Read from /proc so that a host with a small limit is respected. */
std::uint32_t mappingLimit() {
  std::uint32_t limit = kDefaultMaxMappings;
  FILE *file = std::fopen("/proc/sys/vm/max_map_count", "re");
  if (file != nullptr) {
    unsigned value = 0;
    if (std::fscanf(file, "%u", &value) == 1 && value > 0) limit = value;
    std::fclose(file);
  }
  return limit > 2 * kMappingsOfOthers ? limit - kMappingsOfOthers : limit / 2;
}

/*
 * Signals of the process must not be taken on this thread while RSP holds the guest's ESP, unless their handler asks for the
 * alternate stack; those of libuv do not. The other threads take them. What a vCPU thread itself is sent stays open, and so do the
 * signals of its own faults and V8's profiler (SIGPROF, whose handler has SA_ONSTACK).
 */
void keepForeignSignalsAway(sigset_t *former) {
  sigset_t signals;
  sigfillset(&signals);
  for (const int signo : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF}) sigdelset(&signals, signo);
  for (int signo = SIGRTMIN; signo <= SIGRTMAX; signo++) sigdelset(&signals, signo);
  for (int signo = 1; signo < SIGRTMIN; signo++) {
    struct sigaction action {};
    if (sigaction(signo, nullptr, &action) == 0 && (action.sa_flags & SA_ONSTACK) != 0) sigdelset(&signals, signo);
  }
  pthread_sigmask(SIG_BLOCK, &signals, former);
}

/* Present data, writable, expand-up (SDM 3A, "Segment Descriptors"), to be compared with bits 8 to 15 of the descriptor. */
constexpr std::uint32_t kReachableMask = 0x9e;
constexpr std::uint32_t kReachable = 0x92;

/* Whether translated code can reach memory through FS and GS: it adds their bases itself, but knows no limits and no rights. */
void bringSegments(void *state) {
  const auto bring = [state](unsigned number, std::size_t away) {
    const std::size_t at = word::Segments + number * 16;
    const auto access = static_cast<std::uint32_t>(*word32(state, at + segment_word::Access));
    const bool whole = *word32(state, at + segment_word::Limit) == -1;
    *word64(state, away) = whole && (access & kReachableMask) == kReachable ? 0 : kAway;
  };
  bring(4, word::FsAway);
  bring(5, word::GsAway);
}

/* After an exit: whether it could be answered here, so that the guest is between two instructions again. */
bool answer(Translator &translator) {
  const std::int32_t reason = load32(translator.state, word::XlateExit);
  if (reason == xlate_exit::Fault || reason == xlate_exit::Slow || reason == xlate_exit::Trap) locateFault(translator);
  switch (reason) {
    case xlate_exit::Interpret: {
      const unsigned count = shortcut(translator);
      if (count != 0) addOwn64(translator.state, word::Shortcuts, count);
      return count != 0;
    }
    case xlate_exit::Fault:
      return reflectFault(translator);
    default:
      return false;
  }
}

/* Whether there is a fragment to go on with at Word.NextEip and nothing else wants the vCPU; else the exit's reason says so. */
bool goOn(Translator &translator) {
  if (load32(translator.state, word::Attention) != 0) {
    storeOwn32(translator.state, word::XlateExit, xlate_exit::Attention);
    return false;
  }
  const auto eip = static_cast<std::uint32_t>(*word32(translator.state, word::NextEip));
  const std::uint32_t offset = translator.windows[translator.current].table[eip];
  if (offset == 0) {
    storeOwn32(translator.state, word::XlateExit, xlate_exit::Miss);
    return false;
  }
  storeOwn32(translator.state, word::XlateEntry, static_cast<std::int32_t>(offset));
  return true;
}

/*
 * Maps the code buffer a second time, to execute. One without a file is duplicated by asking mremap(2) for 0 bytes of a shared mapping;
 * it is writable until it becomes executable, never both.
 */
void *mapExecutable(const Memory &code) {
  if (code.fd >= 0) return mmap(nullptr, code.sizeBytes, PROT_READ | PROT_EXEC, MAP_SHARED, code.fd, 0);
  void *host = mremap(code.host, 0, code.sizeBytes, MREMAP_MAYMOVE);
  if (host == MAP_FAILED || mprotect(host, code.sizeBytes, PROT_READ | PROT_EXEC) == 0) return host;
  const int error = errno;
  munmap(host, code.sizeBytes);
  errno = error;
  return MAP_FAILED;
}

}  // namespace

int translatorOpen(Memory *ram, Memory *stateMemory, Memory *code, const std::uint8_t *direct, const std::int32_t *side,
                   std::uint32_t maxMappings) {
  const std::size_t stubBytes = static_cast<std::size_t>(romulusStubsEnd - romulusStubs);
  if (code->sizeBytes < stubBytes) return -EINVAL;
  std::lock_guard<std::mutex> hold(lock);
  int slot = 0;
  while (slot < static_cast<int>(kMaxTranslators) && translators[slot].open) slot++;
  if (slot == static_cast<int>(kMaxTranslators)) return -EMFILE;
  int error = installFaultHandlers();
  if (error == 0) error = gsOpen();
  if (error != 0) return error;
  void *host = mapExecutable(*code);
  if (host == MAP_FAILED) {
    error = errno;
    gsClose();
    return -error;
  }

  Translator &translator = translators[slot];
  translator.ram = ram;
  translator.stateMemory = stateMemory;
  translator.codeMemory = code;
  translator.state = stateMemory->host;
  translator.code = static_cast<unsigned char *>(host);
  translator.codeBytes = code->sizeBytes;
  translator.direct = direct;
  translator.side = side;
  translator.current = 0;
  translator.mappings = kMaxWindows;
  const std::uint32_t limit = mappingLimit();
  translator.maxMappings = maxMappings != 0 && maxMappings < limit ? maxMappings : limit;
  translator.twin = -1;
  translator.hasFaulted = false;
  std::memcpy(code->host, romulusStubs, stubBytes);
  store64(translator.state, word::CodeBase, reinterpret_cast<std::uint64_t>(host));
  translator.open = true;
  translator.tid = static_cast<pid_t>(syscall(SYS_gettid));
  keepForeignSignalsAway(&translator.formerMask);
  return slot;
}

void translatorClose(Translator &translator) {
  std::lock_guard<std::mutex> hold(lock);
  if (!translator.open) return;
  translator.open = false;
  if (translator.tid == static_cast<pid_t>(syscall(SYS_gettid))) {
    gsClose();
    pthread_sigmask(SIG_SETMASK, &translator.formerMask, nullptr);
  }
  for (Window &window : translator.windows) windowDestroy(window);
  munmap(translator.code, translator.codeBytes);
  translator.code = nullptr;
  memoryDrop(translator.codeMemory);
  memoryDrop(translator.stateMemory);
  memoryDrop(translator.ram);
}

void translatorEnter(Translator &translator) {
  Window &window = translator.windows[translator.current];
  if (!translator.open || window.base == nullptr) return;
  const auto entry = static_cast<std::uint32_t>(*word32(translator.state, word::XlateEntry));
  if (entry >= translator.codeBytes) return;
  const auto install = static_cast<std::uint32_t>(*word32(translator.state, word::XlateInstall));
  if (*word32(translator.state, word::FaultDelivered) != 0) {
    storeOwn32(translator.state, word::FaultDelivered, 0);
    translator.hasFaulted = true;
    translator.faultEip = static_cast<std::uint32_t>(*word32(translator.state, word::FaultEip));
  }
  if (install != 0) {
    const auto next = static_cast<std::uint32_t>(*word32(translator.state, word::XlateInstallNext));
    windowInstall(translator, window, static_cast<std::uint32_t>(*word32(translator.state, word::NextEip)), install, next, entry);
  }
  for (;;) {
    gsSet(reinterpret_cast<std::uint64_t>(translator.windows[translator.current].base));
    bringSegments(translator.state);
    const FpuPointers pointers = fpuPointers(translator);
    romulusEnter(translator.state);
    bringFpuPointers(translator, pointers);
    if (!answer(translator) || !goOn(translator)) return;
  }
}

int translatorLive() {
  std::lock_guard<std::mutex> hold(lock);
  int live = 0;
  for (const Translator &translator : translators) live += translator.open ? 1 : 0;
  return live;
}

}  // namespace romulus
