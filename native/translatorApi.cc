/*
 * See translatorApi.h. Callers are src/native.ts, which has checked types and ranges. A translator is named by its slot; a slot that
 * is closed is refused with -EBADF, so that stale handles do no harm. Read before: translator.h.
 */
#include "translatorApi.h"

#include <cerrno>
#include <cstdint>

#include "gsBase.h"
#include "translator.h"

namespace romulus {
namespace {

/* Keep the arrays behind `Translator::direct` and `side` alive; used on the thread of the environment that opened the slot only. */
napi_ref directReferences[kMaxTranslators];
napi_ref sideReferences[kMaxTranslators];

void closeAtExit(void *data) { translatorClose(*static_cast<Translator *>(data)); }

Napi::Value result(const Napi::CallbackInfo &info, double value) { return Napi::Number::New(info.Env(), value); }

std::uint32_t unsignedAt(const Napi::CallbackInfo &info, std::size_t index) {
  return info[index].As<Napi::Number>().Uint32Value();
}

/* The open translator that the first argument names; null when there is none. */
Translator *named(const Napi::CallbackInfo &info) {
  const std::uint32_t slot = unsignedAt(info, 0);
  return slot < kMaxTranslators && translators[slot].open ? &translators[slot] : nullptr;
}

/* xlateOpen(ram, state, code, direct, maxMappings, side): slot or errno. The first three are ArrayBuffers of memories. */
Napi::Value open(const Napi::CallbackInfo &info) {
  Memory *memories[3];
  for (std::size_t index = 0; index < 3; index++) {
    memories[index] = memoryAcquireAt(info[index].As<Napi::ArrayBuffer>().Data());
    if (memories[index] != nullptr) continue;
    while (index > 0) memoryDrop(memories[--index]);
    return result(info, -EINVAL);
  }
  const auto direct = info[3].As<Napi::Uint8Array>();
  const auto side = info[5].As<Napi::Int32Array>();
  const int slot = translatorOpen(memories[0], memories[1], memories[2], direct.Data(), side.Data(), unsignedAt(info, 4));
  if (slot < 0) {
    for (Memory *memory : memories) memoryDrop(memory);
    return result(info, slot);
  }
  napi_create_reference(info.Env(), direct, 1, &directReferences[slot]);
  napi_create_reference(info.Env(), side, 1, &sideReferences[slot]);
  napi_add_env_cleanup_hook(info.Env(), closeAtExit, &translators[slot]);
  return result(info, slot);
}

/* xlateClose(slot): 0 or errno */
Napi::Value close(const Napi::CallbackInfo &info) {
  Translator *translator = named(info);
  if (translator == nullptr) return result(info, -EBADF);
  napi_remove_env_cleanup_hook(info.Env(), closeAtExit, translator);
  translatorClose(*translator);
  napi_delete_reference(info.Env(), directReferences[unsignedAt(info, 0)]);
  napi_delete_reference(info.Env(), sideReferences[unsignedAt(info, 0)]);
  return result(info, 0);
}

/* What xlateEntry() returns. Plain Node-API: it is the hottest call of all. */
napi_value enter(napi_env env, napi_callback_info info) {
  void *translator = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &translator);
  translatorEnter(*static_cast<Translator *>(translator));
  return nullptr;
}

/* xlateEntry(slot): function without arguments that runs translated code until an exit, or errno */
Napi::Value entry(const Napi::CallbackInfo &info) {
  Translator *translator = named(info);
  if (translator == nullptr) return result(info, -EBADF);
  napi_value function = nullptr;
  if (napi_create_function(info.Env(), "enterGuest", NAPI_AUTO_LENGTH, enter, translator, &function) != napi_ok) {
    return result(info, -ENOMEM);
  }
  return Napi::Value(info.Env(), function);
}

/* windowSelect(slot, window, twin): 0 or errno */
Napi::Value select(const Napi::CallbackInfo &info) {
  Translator *translator = named(info);
  const std::uint32_t window = unsignedAt(info, 1);
  const std::int32_t twin = info[2].As<Napi::Number>().Int32Value();
  if (translator == nullptr || window >= kMaxWindows || twin >= static_cast<int>(kMaxWindows)) return result(info, -EBADF);
  return result(info, windowSelect(*translator, window, twin));
}

/* windowRevalidate(slot, window, user, sparesGlobal): 0 or errno */
Napi::Value revalidate(const Napi::CallbackInfo &info) {
  Translator *translator = named(info);
  const std::uint32_t window = unsignedAt(info, 1);
  if (translator == nullptr || window >= kMaxWindows) return result(info, -EBADF);
  windowRevalidate(*translator, window, unsignedAt(info, 2) != 0, unsignedAt(info, 3) != 0);
  return result(info, 0);
}

/* windowsInvalidatePage(slot, linear): 0 or errno */
Napi::Value invalidatePage(const Napi::CallbackInfo &info) {
  Translator *translator = named(info);
  if (translator == nullptr) return result(info, -EBADF);
  windowsInvalidatePage(*translator, unsignedAt(info, 1));
  return result(info, 0);
}

/* windowClear(slot, window): drops its pages and its jump table. 0 or errno */
Napi::Value clear(const Napi::CallbackInfo &info) {
  Translator *translator = named(info);
  const std::uint32_t window = unsignedAt(info, 1);
  if (translator == nullptr || window >= kMaxWindows) return result(info, -EBADF);
  windowClear(*translator, window, true);
  return result(info, 0);
}

/* windowsClear(slot): drops the pages of all windows. 0 or errno */
Napi::Value clearAll(const Napi::CallbackInfo &info) {
  Translator *translator = named(info);
  if (translator == nullptr) return result(info, -EBADF);
  windowsClear(*translator);
  return result(info, 0);
}

/* windowsProtect(slot, frame): 0 or errno */
Napi::Value protect(const Napi::CallbackInfo &info) {
  Translator *translator = named(info);
  if (translator == nullptr) return result(info, -EBADF);
  windowsProtect(*translator, unsignedAt(info, 1));
  return result(info, 0);
}

/* windowsDropCode(slot, frame): 0 or errno */
Napi::Value dropCode(const Napi::CallbackInfo &info) {
  Translator *translator = named(info);
  if (translator == nullptr) return result(info, -EBADF);
  windowsDropCode(*translator, unsignedAt(info, 1));
  return result(info, 0);
}

/* windowsDropAllCode(slot): 0 or errno */
Napi::Value dropAllCode(const Napi::CallbackInfo &info) {
  Translator *translator = named(info);
  if (translator == nullptr) return result(info, -EBADF);
  windowsDropAllCode(*translator);
  return result(info, 0);
}

/* xlateUsage(slot): {mappings, maxMappings, pages, codePages} or errno */
Napi::Value usage(const Napi::CallbackInfo &info) {
  Translator *translator = named(info);
  if (translator == nullptr) return result(info, -EBADF);
  double pages = 0;
  double codePages = 0;
  for (const Window &window : translator->windows) {
    pages += window.mapped.count + window.global.count + double{kRegionPages} * window.regionCount;
    codePages += window.coded.count;
  }
  Napi::Object counts = Napi::Object::New(info.Env());
  counts.Set("mappings", translator->mappings);
  counts.Set("maxMappings", translator->maxMappings);
  counts.Set("pages", pages);
  counts.Set("codePages", codePages);
  return counts;
}

/* xlateLive(): translators that are open */
Napi::Value live(const Napi::CallbackInfo &info) { return result(info, translatorLive()); }

/* gsWay(): how the GS base is changed, see GsWay */
Napi::Value wayOfGs(const Napi::CallbackInfo &info) { return result(info, static_cast<int>(gsWay())); }

struct Export {
  const char *name;
  Napi::Value (*call)(const Napi::CallbackInfo &);
};

constexpr Export kExports[] = {
    {"xlateOpen", open},
    {"xlateClose", close},
    {"xlateEntry", entry},
    {"xlateUsage", usage},
    {"xlateLive", live},
    {"windowSelect", select},
    {"windowRevalidate", revalidate},
    {"windowsInvalidatePage", invalidatePage},
    {"windowClear", clear},
    {"windowsClear", clearAll},
    {"windowsProtect", protect},
    {"windowsDropCode", dropCode},
    {"windowsDropAllCode", dropAllCode},
    {"gsWay", wayOfGs},
};

}  // namespace

void exportTranslator(Napi::Env env, Napi::Object exports) {
  for (const Export &entry : kExports) exports.Set(entry.name, Napi::Function::New(env, entry.call, entry.name));
}

}  // namespace romulus
