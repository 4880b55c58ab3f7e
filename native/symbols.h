// Functions inside Node's binary.
#pragma once

#include <dlfcn.h>

// Null where the binary does not have the symbol. Not linked by the loader: a missing symbol would end the process.
template <typename F>
void Resolve(F& function, const char* symbol) {
  function = reinterpret_cast<F>(dlsym(RTLD_DEFAULT, symbol));
}
