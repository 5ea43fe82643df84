# For those who build with node-gyp: the same addon as CMakeLists.txt builds. The sources are listed in native/sources.txt.
{
  "targets": [
    {
      "target_name": "romulus",
      "sources": ["<!@(cat native/sources.txt)"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED"],
      "cflags_cc": ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-fno-exceptions", "-fno-rtti"],
      # nodelete: a signal handler must not lose its code when the last worker that loaded the addon ends.
      "ldflags": ["-Wl,-z,nodelete"]
    }
  ]
}
