// V8's trap handler needs inaccessible address space behind every memory.
#include <sys/resource.h>

#include <cstdint>
#include <cstdio>
#include <cstring>

#include "node-api.h"
#include "subjects.h"

namespace {

// With such a limit V8 silently makes code without guard pages.
bool AddressSpaceIsLimited() {
  rlimit limit;
  return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

// guardBytesBehind(ArrayBuffer) -> number of inaccessible bytes directly behind it, or 0 if that is unknown
napi_value GuardBytesBehind(napi_env env, napi_callback_info info) {
  napi_value args[1];
  void* data = nullptr;
  size_t length = 0;
  if (!Arguments(env, info, args) || napi_get_arraybuffer_info(env, args[0], &data, &length) != napi_ok) {
    return ThrowTypeError(env, "Expected an ArrayBuffer");
  }
  uintptr_t end = reinterpret_cast<uintptr_t>(data) + length;
  double found = 0;
#ifdef __linux__
  if (FILE* maps = fopen("/proc/self/maps", "re")) {
    char line[512];
    while (fgets(line, sizeof line, maps)) {
      unsigned long long from = 0;
      unsigned long long to = 0;
      char rights[5] = "";
      if (sscanf(line, "%llx-%llx %4s", &from, &to, rights) != 3 || to <= end) continue;
      if (from == end && std::strcmp(rights, "---p") == 0) found = static_cast<double>(to - from);
      break;
    }
    fclose(maps);
  }
#else
  static_cast<void>(end);
#endif
  return Double(env, found);
}

}  // namespace

void ExportAddressSpace(napi_env env, napi_value exports) {
  Export(env, exports, "addressSpaceIsLimited", Boolean(env, AddressSpaceIsLimited()));
  ExportFunction(env, exports, "guardBytesBehind", GuardBytesBehind);
}
