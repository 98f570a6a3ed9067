// Owns the choice and loading of a CPU plug-in: what this CPU can run, and the table of ops of one
// shared object.
#pragma once

#include <string>
#include <vector>

#include "ops/backend.h"

namespace fairlane {

// ISA names that this CPU can run, best first; "generic" is always last.
std::vector<std::string> SupportedIsas();

class Plugin {
 public:
  Plugin() = default;
  ~Plugin();
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  // Loads cpu_<isa>.so from `folder`. "auto" takes the best supported one.
  bool Open(const std::string& folder, const std::string& isa, std::string* error);
  const Backend& backend() const { return *backend_; }

 private:
  bool Load(const std::string& path, std::string* error);

  void* handle_ = nullptr;
  const Backend* backend_ = nullptr;
};

}  // namespace fairlane
