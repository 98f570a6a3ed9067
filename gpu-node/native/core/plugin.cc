// See plugin.h.
#include "core/plugin.h"

#include <dlfcn.h>

#include <algorithm>

namespace fairlane {

std::vector<std::string> SupportedIsas() {
  std::vector<std::string> isas;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c");
  const bool vnni = avx2 && __builtin_cpu_supports("avx512f") &&
                    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  if (vnni) isas.emplace_back("avx512vnni");
  if (avx2) isas.emplace_back("avx2");
#endif
  isas.emplace_back("generic");
  return isas;
}

Plugin::~Plugin() {
  if (handle_ != nullptr) dlclose(handle_);
}

bool Plugin::Open(const std::string& folder, const std::string& isa, std::string* error) {
  const std::vector<std::string> supported = SupportedIsas();
  const std::string chosen = isa != "auto" ? isa : supported.front();
  if (chosen != "generic" && chosen != "avx2" && chosen != "avx512vnni") {
    *error = "there is no ISA plug-in \"" + isa + "\"";
    return false;
  }
  if (std::find(supported.begin(), supported.end(), chosen) == supported.end()) {
    *error = "this CPU cannot run the ISA plug-in " + chosen;
    return false;
  }
  return Load(folder + "/cpu_" + chosen + ".so", error);
}

bool Plugin::Load(const std::string& path, std::string* error) {
  handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle_ == nullptr) {
    const char* reason = dlerror();
    *error =
        "cannot load the plug-in " + path + ": " + (reason == nullptr ? "unknown reason" : reason);
    return false;
  }
  const auto function = reinterpret_cast<BackendFn>(dlsym(handle_, kBackendSymbol));
  backend_ = function == nullptr ? nullptr : function();
  if (backend_ == nullptr || backend_->abi_version != kBackendAbiVersion ||
      backend_->table_bytes != sizeof(Backend)) {
    *error = "the plug-in " + path + " was built for another version of the core: build again";
    return false;
  }
  return true;
}

}  // namespace fairlane
