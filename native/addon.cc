/*
 * The addon's exports: conversion of JavaScript values and nothing else. Its only caller is src/native.ts, which has checked types
 * and ranges; what the host refuses comes back as a negative errno value and becomes an Error there.
 *
 * Every environment (main thread, each worker) that loads the addon has an Environment of its own, whose clean-up gives back what
 * that thread's JavaScript left behind when it is ended. Read before: memory.h, vcpu.h, routes.h, timer.h.
 */
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <ctime>
#include <new>
#include <string>
#include <vector>

#include <sys/file.h>

#include <napi.h>

#include "fpu.h"
#include "mask.h"
#include "memory.h"
#include "routes.h"
#include "sampler.h"
#include "signal.h"
#include "timer.h"
#include "translatorApi.h"
#include "train.h"
#include "vcpu.h"

namespace romulus {
namespace {

/* One ArrayBuffer over a memory. Owned by the buffer: freed by its finalizer, which runs exactly once. */
struct View {
  /* A reference; null once given back. */
  Memory *memory;
};

struct Environment {
  std::vector<int> memories;
  std::vector<int> routes;
};

/* Runs on the environment's own thread when it ends. Views that are left are given back by their finalizers, before or after. */
void cleanUp(Environment *environment) {
  vcpuUnbind();
  for (const int id : environment->routes) routeRemove(id);
  for (const int id : environment->memories) memoryClose(id);
  delete environment;
}

Environment &environmentOf(const Napi::CallbackInfo &info) { return *static_cast<Environment *>(info.Data()); }

void forget(std::vector<int> &ids, int id) { ids.erase(std::remove(ids.begin(), ids.end(), id), ids.end()); }

int integer(const Napi::CallbackInfo &info, std::size_t index) { return info[index].As<Napi::Number>().Int32Value(); }

double number(const Napi::CallbackInfo &info, std::size_t index) { return info[index].As<Napi::Number>().DoubleValue(); }

/* Nanoseconds from a double, infinity included. */
std::int64_t nanoseconds(double value) {
  constexpr double limit = 9.0e18;
  return static_cast<std::int64_t>(std::max(-limit, std::min(limit, value)));
}

Napi::Value result(const Napi::CallbackInfo &info, double value) { return Napi::Number::New(info.Env(), value); }

/* A reference to the memory of a state block that was passed as an ArrayBuffer; null for any other buffer. */
Memory *stateMemory(const Napi::CallbackInfo &info, std::size_t index) {
  return memoryAcquireAt(info[index].As<Napi::ArrayBuffer>().Data());
}

double clockNs(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

/* memoryCreate(name, sizeBytes): id */
Napi::Value createMemory(const Napi::CallbackInfo &info) {
  const std::string name = info[0].As<Napi::String>().Utf8Value();
  const int id = memoryCreate(name.c_str(), static_cast<std::size_t>(number(info, 1)));
  if (id > 0) environmentOf(info).memories.push_back(id);
  return result(info, id);
}

/* memoryMap(id): ArrayBuffer */
Napi::Value mapMemory(const Napi::CallbackInfo &info) {
  Memory *memory = memoryAcquire(integer(info, 0));
  if (memory == nullptr) return result(info, -EBADF);
  View *view = new (std::nothrow) View{memory};
  if (view == nullptr) {
    memoryDrop(memory);
    return result(info, -ENOMEM);
  }
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(
      info.Env(), memory->host, memory->sizeBytes,
      [](Napi::Env, void *, View *finalized) {
        if (finalized->memory != nullptr) memoryDrop(finalized->memory);
        delete finalized;
      },
      view);
  if (info.Env().IsExceptionPending()) return Napi::Value();
  /* So that releaseMemory() finds the view of this very buffer. */
  napi_wrap(info.Env(), buffer, view, nullptr, nullptr, nullptr);
  return buffer;
}

/* memoryRelease(buffer): 0 or errno. The finalizer of a detached buffer runs some time later, so the reference goes here. */
Napi::Value releaseMemory(const Napi::CallbackInfo &info) {
  void *wrapped = nullptr;
  if (napi_unwrap(info.Env(), info[0], &wrapped) != napi_ok) return result(info, -EINVAL);
  auto *view = static_cast<View *>(wrapped);
  Memory *memory = view->memory;
  napi_remove_wrap(info.Env(), info[0], nullptr);
  if (napi_detach_arraybuffer(info.Env(), info[0]) != napi_ok) return result(info, -EINVAL);
  view->memory = nullptr;
  memoryDrop(memory);
  return result(info, 0);
}

/* memoryClose(id): 0 or errno */
Napi::Value closeMemory(const Napi::CallbackInfo &info) {
  const int id = integer(info, 0);
  forget(environmentOf(info).memories, id);
  return result(info, memoryClose(id));
}

/* fileLock(fd, isExclusive): 0 or errno. The lock belongs to the open file and goes with it. */
Napi::Value lockFile(const Napi::CallbackInfo &info) {
  const int kind = info[1].As<Napi::Boolean>().Value() ? LOCK_EX : LOCK_SH;
  return result(info, flock(integer(info, 0), kind | LOCK_NB) == 0 ? 0 : -errno);
}

/* live(): {mappings, routes, vcpus} of the process */
Napi::Value live(const Napi::CallbackInfo &info) {
  Napi::Object counts = Napi::Object::New(info.Env());
  counts.Set("mappings", memoryLive());
  counts.Set("routes", routeLive());
  counts.Set("vcpus", vcpuLive());
  return counts;
}

/* vcpuBind(state): 0 or errno */
Napi::Value bindVcpu(const Napi::CallbackInfo &info) {
  Memory *memory = stateMemory(info, 0);
  if (memory == nullptr) return result(info, -EINVAL);
  const int error = vcpuBind(memory);
  if (error != 0) memoryDrop(memory);
  return result(info, error);
}

/* vcpuUnbind(): 0 or errno */
Napi::Value unbindVcpu(const Napi::CallbackInfo &info) { return result(info, vcpuUnbind()); }

/* vcpuWait(timeoutNs): attention word, or errno */
Napi::Value waitVcpu(const Napi::CallbackInfo &info) {
  int error = 0;
  const std::int32_t pending = vcpuWait(nanoseconds(number(info, 0)), &error);
  return result(info, error != 0 ? error : pending);
}

/* vcpuWake(state): 0 or errno */
Napi::Value wakeVcpu(const Napi::CallbackInfo &info) {
  Memory *memory = stateMemory(info, 0);
  if (memory == nullptr) return result(info, -EINVAL);
  wake(memory->host);
  memoryDrop(memory);
  return result(info, 0);
}

/* raise(state, irq): 0 or errno */
Napi::Value raiseEvent(const Napi::CallbackInfo &info) {
  Memory *memory = stateMemory(info, 0);
  if (memory == nullptr) return result(info, -EINVAL);
  raise(memory->host, static_cast<unsigned>(integer(info, 1)));
  memoryDrop(memory);
  return result(info, 0);
}

/* raiseBySignal(state, irq): 0 or errno */
Napi::Value raiseBySignal(const Napi::CallbackInfo &info) {
  return result(info, vcpuSignal(info[0].As<Napi::ArrayBuffer>().Data(), static_cast<unsigned>(integer(info, 1))));
}

/* maskClose(), maskOpen(): 0 or errno. Bare Node-API: they are called for every CLI and STI of a guest. */
napi_value closeMask(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  napi_create_int32(env, maskClose(), &result);
  return result;
}

napi_value openMask(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  napi_create_int32(env, maskOpen(), &result);
  return result;
}

/* maskWait(timeoutNs): attention word, or errno */
Napi::Value waitMask(const Napi::CallbackInfo &info) {
  int error = 0;
  const std::int32_t pending = maskWait(nanoseconds(number(info, 0)), &error);
  return result(info, error != 0 ? error : pending);
}

/* samplerStart(periodNs), samplerStop(): 0 or errno */
Napi::Value startSampler(const Napi::CallbackInfo &info) { return result(info, samplerStart(nanoseconds(number(info, 0)))); }
Napi::Value stopSampler(const Napi::CallbackInfo &info) { return result(info, samplerStop()); }

/* train(state, irq, rateHz, durationNs): {sent, full, elapsedNs} or errno */
Napi::Value trainEvents(const Napi::CallbackInfo &info) {
  Memory *memory = stateMemory(info, 0);
  if (memory == nullptr) return result(info, -EINVAL);
  int error = 0;
  const Train train = sendTrain(memory->host, static_cast<unsigned>(integer(info, 1)), number(info, 2), nanoseconds(number(info, 3)), &error);
  memoryDrop(memory);
  if (error != 0) return result(info, error);
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("sent", static_cast<double>(train.sent));
  object.Set("full", static_cast<double>(train.full));
  object.Set("elapsedNs", static_cast<double>(train.elapsedNs));
  return object;
}

/* timerArm(deadlineNs): 0 or errno */
Napi::Value armTimer(const Napi::CallbackInfo &info) { return result(info, timerArm(nanoseconds(number(info, 0)))); }

/* timerDisarm(): 0 or errno */
Napi::Value disarmTimer(const Napi::CallbackInfo &info) { return result(info, timerDisarm()); }

/* signalRoute(signo, state, irq): route id or errno */
Napi::Value routeSignal(const Napi::CallbackInfo &info) {
  Memory *memory = stateMemory(info, 1);
  if (memory == nullptr) return result(info, -EINVAL);
  const int id = routeAdd(integer(info, 0), memory, static_cast<unsigned>(integer(info, 2)));
  if (id < 0) {
    memoryDrop(memory);
  } else {
    environmentOf(info).routes.push_back(id);
  }
  return result(info, id);
}

/* signalUnroute(id): 0 or errno */
Napi::Value unrouteSignal(const Napi::CallbackInfo &info) {
  const int id = integer(info, 0);
  forget(environmentOf(info).routes, id);
  return result(info, routeRemove(id));
}

/* signalStorm(pid, signo, count): times the queue was full, or errno */
Napi::Value stormSignals(const Napi::CallbackInfo &info) {
  const auto count = static_cast<std::int64_t>(number(info, 2));
  return result(info, static_cast<double>(storm(integer(info, 0), integer(info, 1), count)));
}

/* monotonicNs(): CLOCK_MONOTONIC */
Napi::Value monotonicNs(const Napi::CallbackInfo &info) { return result(info, clockNs(CLOCK_MONOTONIC)); }

/* realtimeNs(): CLOCK_REALTIME */
Napi::Value realtimeNs(const Napi::CallbackInfo &info) { return result(info, clockNs(CLOCK_REALTIME)); }

/* What fpuOpen() returns, from JavaScript: no arguments and no result, because it is called for every floating-point instruction. */
napi_value runFpu(napi_env env, napi_callback_info info) {
  void *fpu = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &fpu);
  fpuRun(static_cast<const Fpu *>(fpu));
  return nullptr;
}

/*
 * fpuOpen(code, words): function or errno. `code` is the ArrayBuffer of a memory, its size a power of two; `words` an Int32Array over
 * the state block, which the function keeps alive.
 */
Napi::Value openFpu(const Napi::CallbackInfo &info) {
  Memory *codeMemory = stateMemory(info, 0);
  if (codeMemory == nullptr) return result(info, -EINVAL);
  auto words = info[1].As<Napi::Int32Array>();
  void *state = words.Data();
  Memory *memory = memoryAcquireAt(state);
  int error = 0;
  Fpu *fpu = fpuOpen(codeMemory, memory, state, &error);
  if (fpu == nullptr) {
    memoryDrop(codeMemory);
    if (memory != nullptr) memoryDrop(memory);
    return result(info, error);
  }
  napi_value run = nullptr;
  const auto close = [](napi_env, void *data, void *) {
    auto *closed = static_cast<Fpu *>(data);
    fpuClose(closed);
    delete closed;
  };
  if (napi_create_function(info.Env(), "fpuRun", NAPI_AUTO_LENGTH, runFpu, fpu, &run) != napi_ok ||
      napi_wrap(info.Env(), run, fpu, close, nullptr, nullptr) != napi_ok) {
    fpuClose(fpu);
    delete fpu;
    return result(info, -ENOMEM);
  }
  Napi::Object function(info.Env(), run);
  function.Set("words", words);
  return function;
}

/* fpuClose(run): 0 or errno */
Napi::Value closeFpu(const Napi::CallbackInfo &info) {
  void *fpu = nullptr;
  if (napi_unwrap(info.Env(), info[0], &fpu) != napi_ok) return result(info, -EINVAL);
  fpuClose(static_cast<Fpu *>(fpu));
  return result(info, 0);
}

/* fpuFeatures(): bit 0 = SSE3, bit 1 = SSSE3; everything before them is part of x86-64 */
Napi::Value fpuFeatures(const Napi::CallbackInfo &info) {
  const int sse3 = __builtin_cpu_supports("sse3") ? 1 : 0;
  const int ssse3 = __builtin_cpu_supports("ssse3") ? 2 : 0;
  return result(info, sse3 | ssse3);
}

/* probe(): 0 or errno of each host facility */
Napi::Value probe(const Napi::CallbackInfo &info) {
  Napi::Object facilities = Napi::Object::New(info.Env());
  facilities.Set("memfd", probeMemfd());
  facilities.Set("executable", probeExecutable());
  facilities.Set("timer", probeTimer());
  return facilities;
}

struct Export {
  const char *name;
  Napi::Value (*call)(const Napi::CallbackInfo &);
};

constexpr Export kExports[] = {
    {"memoryCreate", createMemory}, {"memoryMap", mapMemory},         {"memoryRelease", releaseMemory},
    {"memoryClose", closeMemory},   {"live", live},                   {"vcpuBind", bindVcpu},
    {"vcpuUnbind", unbindVcpu},     {"vcpuWait", waitVcpu},           {"vcpuWake", wakeVcpu},
    {"raise", raiseEvent},          {"raiseBySignal", raiseBySignal}, {"timerArm", armTimer},
    {"timerDisarm", disarmTimer},   {"signalRoute", routeSignal},     {"signalUnroute", unrouteSignal},
    {"signalStorm", stormSignals},  {"monotonicNs", monotonicNs},     {"realtimeNs", realtimeNs},
    {"maskWait", waitMask},         {"samplerStart", startSampler},   {"samplerStop", stopSampler},
    {"train", trainEvents},         {"probe", probe},                   {"fpuOpen", openFpu},
    {"fpuClose", closeFpu},         {"fpuFeatures", fpuFeatures},     {"fileLock", lockFile},
};

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  if (SIGRTMIN != kTimerSignal || SIGRTMIN + 1 != kEventSignal) {
    Napi::Error::New(env, "the C library counts real-time signals differently than glibc").ThrowAsJavaScriptException();
    return exports;
  }
  auto *environment = new Environment;
  env.AddCleanupHook(cleanUp, environment);
  for (const Export &entry : kExports) {
    exports.Set(entry.name, Napi::Function::New(env, entry.call, entry.name, environment));
  }
  const auto bare = [&](const char *name, napi_callback call) {
    napi_value function = nullptr;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, call, nullptr, &function) == napi_ok) exports.Set(name, function);
  };
  bare("maskClose", closeMask);
  bare("maskOpen", openMask);
  exportTranslator(env, exports);
  return exports;
}

}  // namespace
}  // namespace romulus

static Napi::Object Init(Napi::Env env, Napi::Object exports) { return romulus::initialize(env, exports); }

NODE_API_MODULE(romulus, Init)
